"""Alarms, the dashboard, the topic and its subscribers, broken one setting at a time."""

from __future__ import annotations

from typing import Any

from infrastructure.planning.compare import ABSENT
from tests.provisioning.mutations.mutation import (
    ADDRESS,
    OTHER,
    ByHand,
    Edit,
    Mutation,
    Rows,
    WholeAccount,
    change,
    edited,
)

ALARM, COMPOSITE, TOPIC, SUBSCRIPTION, DASHBOARD = (
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::SNS::Topic",
    "AWS::SNS::Subscription",
    "AWS::CloudWatch::Dashboard",
)
_ALARM_PARAMETERS = (
    "AlarmName AlarmDescription ActionsEnabled AlarmActions OKActions Namespace MetricName Dimensions Statistic Period "
    "EvaluationPeriods DatapointsToAlarm Threshold ComparisonOperator TreatMissingData Metrics"
)


def alarm(name: str, **changed: Any) -> ByHand:
    """Put an alarm anew; a parameter that is None is left out."""

    def by_hand(a: WholeAccount) -> None:
        of = f"{a.settings.prefix}-{name}"
        (found,) = a.client("cloudwatch").describe_alarms(AlarmNames=[of])["MetricAlarms"]
        kept = {key: found[key] for key in _ALARM_PARAMETERS.split() if found.get(key) not in (None, [])} | changed
        a.client("cloudwatch").put_metric_alarm(**{key: value for key, value in kept.items() if value is not None})

    return by_hand


def composite(**changed: Any) -> ByHand:
    """Put the composite alarm on card data anew."""

    def by_hand(a: WholeAccount) -> None:
        of = f"{a.settings.prefix}-page-card-data"
        asked = a.client("cloudwatch").describe_alarms(AlarmNames=[of], AlarmTypes=["CompositeAlarm"])
        (found,) = asked["CompositeAlarms"]
        names = "AlarmName AlarmDescription ActionsEnabled AlarmActions OKActions AlarmRule"
        a.client("cloudwatch").put_composite_alarm(**{name: found[name] for name in names.split()} | changed)

    return by_hand


def topic_arn(a: WholeAccount) -> str:
    return a.settings.arn("sns", f"{a.settings.prefix}-alarms")


def topic(name: str, value: str) -> ByHand:
    return lambda a: a.client("sns").set_topic_attributes(
        TopicArn=topic_arn(a), AttributeName=name, AttributeValue=value
    )


def topic_policy(edit: Edit) -> ByHand:
    def by_hand(a: WholeAccount) -> None:
        found = a.client("sns").get_topic_attributes(TopicArn=topic_arn(a))["Attributes"]["Policy"]
        topic("Policy", edited(found, edit))(a)

    return by_hand


def subscribers(a: WholeAccount) -> dict[str, str]:
    found = a.client("sns").list_subscriptions_by_topic(TopicArn=topic_arn(a))["Subscriptions"]
    return {each["Endpoint"]: each["SubscriptionArn"] for each in found}


def subscribe(protocol: str, endpoint: str) -> ByHand:
    return lambda a: a.client("sns").subscribe(TopicArn=topic_arn(a), Protocol=protocol, Endpoint=endpoint)


def unsubscribe(endpoint: str) -> ByHand:
    return lambda a: a.client("sns").unsubscribe(SubscriptionArn=subscribers(a)[endpoint])


def filter_the_alarms(a: WholeAccount) -> None:
    a.client("sns").set_subscription_attributes(
        SubscriptionArn=subscribers(a)[ADDRESS], AttributeName="FilterPolicy", AttributeValue='{"never": ["so"]}'
    )


_HTTP = "http://pager.example/alarms"

ALARMS: Rows = {
    "an alarm disabled": Mutation(
        ALARM,
        "ActionsEnabled",
        lambda a: a.client("cloudwatch").disable_alarm_actions(AlarmNames=[f"{a.settings.prefix}-batches-given-up"]),
        "alarm-actions",
        False,
        True,
    ),
    "an alarm deleted": Mutation(
        ALARM,
        "MetricName",
        lambda a: a.client("cloudwatch").delete_alarms(AlarmNames=[f"{a.settings.prefix}-job-failed"]),
        "alarm-actions",
        ABSENT,
        "glue.error.ALL",
    ),
    "an alarm without actions": Mutation(
        ALARM, "AlarmActions", alarm("quarantine-rate", AlarmActions=None, OKActions=None), "alarm-actions", []
    ),
    "an alarm that does not say when it is over": Mutation(
        ALARM, "OKActions", alarm("iterator-age", OKActions=None), old=[]
    ),
    "an alarm's threshold raised": Mutation(
        ALARM, "Threshold", alarm("iterator-age", Threshold=1e9), old=1e9, new=300_000.0
    ),
    "an alarm compares the other way": Mutation(
        ALARM, "ComparisonOperator", alarm("iterator-age", ComparisonOperator="LessThanThreshold")
    ),
    "an alarm waits for hours": Mutation(
        ALARM, "EvaluationPeriods", alarm("iterator-age", EvaluationPeriods=24, DatapointsToAlarm=24), old=24
    ),
    "an alarm wants more datapoints": Mutation(
        ALARM, "DatapointsToAlarm", alarm("iterator-age", EvaluationPeriods=24, DatapointsToAlarm=24), old=24
    ),
    "an alarm looks at an average": Mutation(ALARM, "Statistic", alarm("iterator-age", Statistic="Average")),
    "an alarm looks at a longer period": Mutation(ALARM, "Period", alarm("iterator-age", Period=3600), old=3600),
    "an alarm is silent where data is missing": Mutation(
        ALARM, "TreatMissingData", alarm("iterator-age", TreatMissingData="ignore"), old="ignore"
    ),
    "an alarm looks at another namespace": Mutation(
        ALARM, "Namespace", alarm("iterator-age", Namespace="Elsewhere"), old="Elsewhere"
    ),
    "an alarm looks at another function": Mutation(
        ALARM, "Dimensions", alarm("iterator-age", Dimensions=[{"Name": "FunctionName", "Value": "other"}])
    ),
    "an alarm counts another unit": Mutation(ALARM, "Unit", alarm("iterator-age", Unit="Megabytes"), old="Megabytes"),
    "an alarm described otherwise": Mutation(
        ALARM, "AlarmDescription", alarm("iterator-age", AlarmDescription="x"), old="x"
    ),
    "an alarm calculates otherwise": Mutation(
        ALARM,
        "Metrics",
        lambda a: alarm(
            "quarantine-rate",
            Metrics=[
                each | ({"Expression": "0"} if "Expression" in each else {})
                for each in a.client("cloudwatch").describe_alarms(AlarmNames=[f"{a.settings.prefix}-quarantine-rate"])[
                    "MetricAlarms"
                ][0]["Metrics"]
            ],
        )(a),
    ),
    "a tag of an alarm changed": Mutation(
        ALARM,
        "Tags.Environment",
        lambda a: a.client("cloudwatch").tag_resource(
            ResourceARN=a.settings.arn("cloudwatch", f"alarm:{a.settings.prefix}-iterator-age"),
            Tags=[{"Key": "Environment", "Value": "prod"}],
        ),
        old="prod",
        new="dev",
    ),
    "a composite alarm disabled": Mutation(
        COMPOSITE, "ActionsEnabled", composite(ActionsEnabled=False), "alarm-actions", False, True
    ),
    "a composite alarm without actions": Mutation(
        COMPOSITE, "AlarmActions", composite(AlarmActions=[]), "alarm-actions", []
    ),
    "a composite alarm that does not say when it is over": Mutation(
        COMPOSITE, "OKActions", composite(OKActions=[]), old=[]
    ),
    "a composite alarm that is never raised": Mutation(
        COMPOSITE, "AlarmRule", composite(AlarmRule="FALSE"), old="FALSE"
    ),
    "a composite alarm described otherwise": Mutation(
        COMPOSITE, "AlarmDescription", composite(AlarmDescription="x"), old="x"
    ),
    "a composite alarm that acts where data is missing": Mutation(
        COMPOSITE, "InsufficientDataActions", composite(InsufficientDataActions=["arn:aws:sns:eu-central-1:1:x"])
    ),
    "a tag of a composite alarm changed": Mutation(
        COMPOSITE,
        "Tags.Environment",
        lambda a: a.client("cloudwatch").tag_resource(
            ResourceARN=a.settings.arn("cloudwatch", f"alarm:{a.settings.prefix}-page-card-data"),
            Tags=[{"Key": "Environment", "Value": "prod"}],
        ),
        old="prod",
        new="dev",
    ),
    "a composite alarm deleted": Mutation(
        COMPOSITE,
        "AlarmRule",
        lambda a: a.client("cloudwatch").delete_alarms(AlarmNames=[f"{a.settings.prefix}-page-totals"]),
        "alarm-actions",
        ABSENT,
    ),
    "the dashboard emptied": Mutation(
        DASHBOARD,
        "DashboardBody.widgets",
        lambda a: a.client("cloudwatch").put_dashboard(
            DashboardName=a.settings.dashboard_name, DashboardBody='{"widgets": []}'
        ),
        old=[],
    ),
    # --- The topic ---
    "the topic opened": Mutation(
        TOPIC,
        "Policy.Statement[Hole]",
        lambda a: a.client("sns").add_permission(
            TopicArn=topic_arn(a), Label="Hole", AWSAccountId=[OTHER], ActionName=["Publish"]
        ),
        "topic-strangers",
        new=ABSENT,
    ),
    "any account's alarms are published": Mutation(
        TOPIC,
        "Policy.Statement[AlarmsPublish].Condition",
        topic_policy(change("AlarmsPublish", Condition=None)),
        "topic-strangers",
    ),
    "the topic's TLS statement narrowed to a user": Mutation(
        TOPIC,
        "Policy.Statement[DenyInsecureTransport].Principal.AWS",
        topic_policy(change("DenyInsecureTransport", Principal={"AWS": "arn:aws:iam::123456789012:user/a"})),
        "topic-tls",
    ),
    "the topic's encryption off": Mutation(TOPIC, "KmsMasterKeyId", topic("KmsMasterKeyId", ""), "topic-encryption"),
    "the topic tries once": Mutation(
        TOPIC, "DeliveryPolicy", topic("DeliveryPolicy", '{"http": {"defaultHealthyRetryPolicy": {"numRetries": 0}}}')
    ),
    "a tag of the topic changed": Mutation(
        TOPIC,
        "Tags.Environment",
        lambda a: a.client("sns").tag_resource(
            ResourceArn=topic_arn(a), Tags=[{"Key": "Environment", "Value": "prod"}]
        ),
        old="prod",
        new="dev",
    ),
    "alarms sent without TLS": Mutation(
        TOPIC,
        "",
        subscribe("http", _HTTP),
        "topic-subscribers",
        foreign=f"a subscriber: http {_HTTP}",
        undo=unsubscribe(_HTTP),
    ),
    "alarms sent to a pager": Mutation(
        TOPIC,
        "",
        subscribe("sms", "+15550100"),
        foreign="a subscriber: sms +15550100",
        undo=unsubscribe("+15550100"),
    ),
    "alarms are kept from the one on call": Mutation(
        SUBSCRIPTION, "FilterPolicy", filter_the_alarms, "alarm-delivery", {"never": ["so"]}, ABSENT
    ),
    "the one on call unsubscribed": Mutation(SUBSCRIPTION, "", unsubscribe(ADDRESS), "alarm-delivery"),
}
