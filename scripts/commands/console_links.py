"""Addresses of the provisioned resources in AWS's web console."""

from __future__ import annotations

from urllib.parse import quote

from infrastructure.settings import Settings

_DOMAINS = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


def console_links(settings: Settings) -> list[tuple[str, str]]:
    """(title, URL) of the console's pages for the pipeline, in the order of the pipeline."""
    region, domain = settings.region, _DOMAINS[settings.partition]

    def link(service: str, fragment: str) -> str:
        return f"https://{region}.{domain}/{service}/home?region={region}#{fragment}"

    def bucket(purpose: str) -> str:
        return f"https://{region}.{domain}/s3/buckets/{settings.bucket(purpose)}?region={region}"

    return [
        ("stream", link("kinesis", f"/streams/details/{settings.stream_name}/monitoring")),
        ("function", link("lambda", f"/functions/{settings.function_name}?tab=monitoring")),
        ("function's log", link("cloudwatch", f"logsV2:log-groups/log-group/{_log_name(settings.function_log_group)}")),
        ("raw objects", bucket("raw")),
        ("quarantine", bucket("quarantine")),
        ("curated", bucket("curated")),
        ("catalog", link("glue", f"/v2/data-catalog/databases/view/{settings.glue_database}")),
        ("job", f"https://{region}.{domain}/gluestudio/home?region={region}#/job/{settings.glue_job_name}/runs"),
        ("warehouse", f"https://{region}.{domain}/sqlworkbench/home?region={region}#/client"),
        ("alarms", link("cloudwatch", f"alarmsV2:?search={settings.prefix}")),
        ("keys", link("kms", "/kms/keys")),
    ]


def _log_name(name: str) -> str:
    # The console writes the percent signs of a quoted name as $25.
    return quote(quote(name, safe=""), safe="").replace("%", "$")
