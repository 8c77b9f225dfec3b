"""The alarms, the topics that they notify, and the dashboard.

    python monitoring/setup_cloudwatch_alarms.py        # make or mend these alone

monitoring/alarms.py says what is watched. Every alarm notifies a topic when it is raised and when it is over: alarms on
metrics the one that mails, composite alarms the one that wakes somebody. The topics are encrypted with a customer key,
because CloudWatch cannot use AWS's own key for SNS.

Only alarms of this account may publish to the topics. EventBridge may not: SNS accepts no conditions on what
EventBridge publishes, so a topic open to it is open to the rules of every account. A job's failure is therefore an
alarm on the job's own metrics, which count timeouts and failed launches too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from infrastructure.aws.cloudwatch import Alarm, CompositeAlarm, Dashboard
from infrastructure.aws.sns import EmailSubscription, Topic
from infrastructure.planning.resource import Clients, Properties, Resource, resource_id
from infrastructure.references import key_arn
from infrastructure.settings import Settings
from monitoring.alarm_spec import AlarmSpec, CompositeSpec, Metric
from monitoring.alarms import alarms, composite_alarms, with_every_alarm
from monitoring.dashboard import dashboard_body

_PART = "monitoring"
Spec = TypeVar("Spec", bound=AlarmSpec | CompositeSpec)


def topic_name(settings: Settings, of: str = "alarms") -> str:
    """of: alarms or pages."""
    return f"{settings.prefix}-{of}"


def topic_arn(settings: Settings, of: str = "alarms") -> str:
    return settings.arn("sns", topic_name(settings, of))


def resources(settings: Settings, clients: Clients) -> list[Resource]:
    """Topics, subscriptions, alarms and dashboard."""
    mails = _topic(settings, clients, "alarms", settings.alarm_emails)
    pages = _topic(settings, clients, "pages", settings.alarm_page_emails)
    # Alarms of other settings are declared too, as not wanted: apply removes what an earlier one made of them.
    every = with_every_alarm(settings)
    alarms_ = [_alarm(settings, clients, mails, spec) for spec in _declared(alarms, settings, every)]
    composites = [_composite(settings, clients, pages, spec) for spec in _declared(composite_alarms, settings, every)]
    asked: list[AlarmSpec | CompositeSpec] = [*alarms(settings), *composite_alarms(settings)]
    there = {_alarm_name(settings, spec.name) for spec in asked}
    for each in (*alarms_, *composites):
        each.wanted = each.name in there
    arns = [settings.arn("cloudwatch", f"alarm:{each.name}") for each in (*composites, *alarms_) if each.wanted]
    return [
        mails,
        pages,
        *(_subscription(clients, topic, address) for topic in (mails, pages) for address in topic.addresses),
        *alarms_,
        *composites,
        Dashboard(
            part=_PART,
            name=settings.dashboard_name,
            clients=clients,
            properties={
                "DashboardBody": dashboard_body(settings, arns, settings.redshift_workgroup or settings.prefix)
            },
        ),
    ]


def _declared(specs: Callable[[Settings], tuple[Spec, ...]], settings: Settings, every: Settings) -> list[Spec]:
    """What these settings ask for, then what only the others do."""
    asked = specs(settings)
    names = {spec.name for spec in asked}
    return [*asked, *(spec for spec in specs(every) if spec.name not in names)]


def _topic(settings: Settings, clients: Clients, of: str, addresses: tuple[str, ...]) -> Topic:
    return Topic(
        part=_PART,
        name=topic_name(settings, of),
        clients=clients,
        topic_arn=topic_arn(settings, of),
        addresses=addresses,
        properties={
            "KmsMasterKeyId": key_arn(settings, "messaging"),
            "Policy": topic_policy(settings, of),
            "Tags": settings.all_tags,
        },
    )


def topic_policy(settings: Settings, of: str = "alarms") -> dict[str, Any]:
    """Alarms of this account may publish; nobody may without TLS."""
    arn = topic_arn(settings, of)
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


def _subscription(clients: Clients, topic: Topic, address: str) -> EmailSubscription:
    return EmailSubscription(
        part=_PART,
        name=f"{topic.name} -> {address}",
        clients=clients,
        topic_arn=topic.topic_arn,
        endpoint=address,
        depends_on=(topic.id,),
    )


def _alarm_name(settings: Settings, name: str) -> str:
    return f"{settings.prefix}-{name}"


def _alarm(settings: Settings, clients: Clients, topic: Topic, spec: AlarmSpec) -> Alarm:
    properties: Properties = {
        "EvaluationPeriods": spec.periods,
        "DatapointsToAlarm": spec.datapoints,
        "Threshold": float(spec.threshold),
        "ComparisonOperator": spec.comparison,
        "TreatMissingData": spec.missing,
    }
    return Alarm(
        part=_PART,
        name=_alarm_name(settings, spec.name),
        clients=clients,
        depends_on=(topic.id,),
        properties=_told(settings, topic, spec) | properties | _measured(spec),
    )


def _composite(settings: Settings, clients: Clients, topic: Topic, spec: CompositeSpec) -> CompositeAlarm:
    children = [_alarm_name(settings, name) for name in spec.any_of]
    return CompositeAlarm(
        part=_PART,
        name=_alarm_name(settings, spec.name),
        clients=clients,
        depends_on=(topic.id, *(resource_id(Alarm.type, child) for child in children)),
        properties=_told(settings, topic, spec) | {"AlarmRule": " OR ".join(f'ALARM("{child}")' for child in children)},
    )


def _told(settings: Settings, topic: Topic, spec: AlarmSpec | CompositeSpec) -> Properties:
    """What is told to whom, and where its page of the runbook lies."""
    page = f"{settings.runbook_url.rstrip('/')}/{spec.name}.md"
    return {
        "AlarmDescription": f"{spec.description} Runbook: {page}",
        "ActionsEnabled": True,
        "AlarmActions": [topic.topic_arn],
        "OKActions": [topic.topic_arn],
        "Tags": settings.all_tags,
    }


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
