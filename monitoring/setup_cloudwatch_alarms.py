"""The alarms, the topic that they notify, and the dashboard.

    python monitoring/setup_cloudwatch_alarms.py        # make or mend these alone

monitoring/alarms.py says what is watched. Every alarm notifies the topic when it is raised and when it is over. The
topic is encrypted with a customer key, because CloudWatch cannot use AWS's own key for SNS.

Only alarms of this account may publish to the topic. EventBridge may not: SNS accepts no conditions on what EventBridge
publishes, so a topic open to it is open to the rules of every account. A job's failure is therefore an alarm on the
job's own metrics, which count timeouts and failed launches too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infrastructure.aws.cloudwatch import Alarm, Dashboard
from infrastructure.aws.sns import EmailSubscription, Topic
from infrastructure.planning.resource import Clients, Properties, Resource
from infrastructure.references import key_arn
from infrastructure.settings import Settings
from monitoring.alarms import AlarmSpec, Metric, alarms
from monitoring.dashboard import dashboard_body

_PART = "monitoring"


def topic_name(settings: Settings) -> str:
    return f"{settings.prefix}-alarms"


def topic_arn(settings: Settings) -> str:
    return settings.arn("sns", topic_name(settings))


def resources(settings: Settings, clients: Clients) -> list[Resource]:
    """Topic, subscriptions, alarms and dashboard."""
    topic = Topic(
        part=_PART,
        name=topic_name(settings),
        clients=clients,
        topic_arn=topic_arn(settings),
        addresses=settings.alarm_emails,
        properties={
            "KmsMasterKeyId": key_arn(settings, "messaging"),
            "Policy": topic_policy(settings),
            "Tags": settings.all_tags,
        },
    )
    specs = alarms(settings)
    return [
        topic,
        *(_subscription(settings, clients, topic, address) for address in settings.alarm_emails),
        *(_alarm(settings, clients, topic, spec) for spec in specs),
        Dashboard(
            part=_PART,
            name=settings.dashboard_name,
            clients=clients,
            properties={
                "DashboardBody": dashboard_body(
                    settings,
                    [settings.arn("cloudwatch", f"alarm:{_alarm_name(settings, spec)}") for spec in specs],
                    settings.redshift_workgroup or settings.prefix,
                )
            },
        ),
    ]


def topic_policy(settings: Settings) -> dict[str, Any]:
    """Alarms of this account may publish; nobody may without TLS."""
    arn = topic_arn(settings)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "AlarmsPublish",
                "Effect": "Allow",
                "Principal": {"Service": "cloudwatch.amazonaws.com"},
                "Action": "sns:Publish",
                "Resource": arn,
                "Condition": {
                    "StringEquals": {"aws:SourceAccount": settings.account_id},
                    "ArnLike": {"aws:SourceArn": settings.arn("cloudwatch", "alarm:*")},
                },
            },
            {
                "Sid": "DenyInsecureTransport",
                "Effect": "Deny",
                "Principal": {"AWS": "*"},
                "Action": "sns:Publish",
                "Resource": arn,
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
        ],
    }


def _subscription(settings: Settings, clients: Clients, topic: Topic, address: str) -> EmailSubscription:
    return EmailSubscription(
        part=_PART,
        name=f"{topic.name} -> {address}",
        clients=clients,
        topic_arn=topic_arn(settings),
        address=address,
        depends_on=(topic.id,),
    )


def _alarm_name(settings: Settings, spec: AlarmSpec) -> str:
    return f"{settings.prefix}-{spec.name}"


def _alarm(settings: Settings, clients: Clients, topic: Topic, spec: AlarmSpec) -> Alarm:
    properties: Properties = {
        "AlarmDescription": spec.description,
        "ActionsEnabled": True,
        "AlarmActions": [topic_arn(settings)],
        "OKActions": [topic_arn(settings)],
        "EvaluationPeriods": spec.periods,
        "DatapointsToAlarm": spec.datapoints,
        "Threshold": float(spec.threshold),
        "ComparisonOperator": spec.comparison,
        "TreatMissingData": spec.missing,
        "Tags": settings.all_tags,
    }
    return Alarm(
        part=_PART,
        name=_alarm_name(settings, spec),
        clients=clients,
        depends_on=(topic.id,),
        properties=properties | _measured(spec),
    )


def _measured(spec: AlarmSpec) -> Properties:
    """What is measured, in one of PutMetricAlarm's two forms."""
    if spec.expression:
        queries = [
            {
                "Id": id_,
                "MetricStat": {"Metric": _metric(metric), "Period": metric.period, "Stat": metric.statistic},
                "ReturnData": False,
            }
            for id_, metric in spec.metrics.items()
        ]
        return {"Metrics": [*queries, {"Id": "value", "Expression": spec.expression, "ReturnData": True}]}
    (metric,) = spec.metrics.values()
    return {**_metric(metric), "Statistic": metric.statistic, "Period": metric.period}


def _metric(metric: Metric) -> dict[str, Any]:
    return {"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": _dimensions(metric.dimensions)}


def _dimensions(dimensions: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in dimensions.items()]


if __name__ == "__main__":
    from infrastructure.run_alone import run_alone

    run_alone("apply-file", __file__)
