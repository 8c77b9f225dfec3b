"""An SNS topic and those of its subscribers that are declared, as the planner sees them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

from infrastructure.aws.tags import tag_dict, tag_list
from infrastructure.planning.resource import UNSUPPORTED, DeletionPending, Properties, Resource

_PENDING = "PendingConfirmation"


@dataclass(kw_only=True, eq=False)
class Topic(Resource):
    """An encrypted SNS topic. topic_arn: derived from account, region and name."""

    type: ClassVar[str] = "AWS::SNS::Topic"
    permissions: ClassVar[str] = (
        "sns:CreateTopic sns:DeleteTopic sns:GetDataProtectionPolicy sns:GetTopicAttributes "
        "sns:ListSubscriptionsByTopic sns:ListTagsForResource sns:PutDataProtectionPolicy sns:SetTopicAttributes "
        "sns:TagResource"
    )
    policies: ClassVar[frozenset[str]] = frozenset({"Policy"})

    topic_arn: str
    addresses: tuple[str, ...] = ()  # the endpoints that are declared

    @property
    def unset(self) -> Properties:
        # One throttles or gives up deliveries, the other can refuse or rewrite what alarms say.
        return {"DeliveryPolicy": None, "DataProtectionPolicy": None}

    def read(self) -> Properties | None:
        try:
            found = self._sns.get_topic_attributes(TopicArn=self.topic_arn)["Attributes"]
        except self._sns.exceptions.NotFoundException:
            return None
        tags = self._sns.list_tags_for_resource(ResourceArn=self.topic_arn)["Tags"]
        subscribers = self.readable(self._subscribers)
        return {
            "KmsMasterKeyId": found.get("KmsMasterKeyId"),
            "Policy": found.get("Policy"),
            "DeliveryPolicy": _set_json(found.get("DeliveryPolicy")),
            "DataProtectionPolicy": self.readable(self._data_protection),
            "Tags": tag_dict(tags),
            "Arn": self.topic_arn,
            "Subscribers": subscribers,
            "Foreign": subscribers if subscribers is UNSUPPORTED else self._others(subscribers),
        }

    def create(self, properties: Properties) -> None:
        self._sns.create_topic(
            Name=self.name,
            Attributes={
                "KmsMasterKeyId": properties["KmsMasterKeyId"],
                "Policy": json.dumps(properties["Policy"]),
            },
            Tags=tag_list(properties["Tags"]),
        )

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        self.write_each(
            changed,
            properties,
            {
                "KmsMasterKeyId": lambda value: self._set("KmsMasterKeyId", value),
                "Policy": lambda value: self._set("Policy", json.dumps(value)),
                "DeliveryPolicy": lambda _: self._set("DeliveryPolicy", ""),
                "DataProtectionPolicy": lambda _: self._sns.put_data_protection_policy(
                    ResourceArn=self.topic_arn, DataProtectionPolicy=""
                ),
                "Tags": lambda value: self._sns.tag_resource(ResourceArn=self.topic_arn, Tags=tag_list(value)),
            },
        )

    def delete(self) -> DeletionPending | None:
        self._sns.delete_topic(TopicArn=self.topic_arn)  # CreateTopic is idempotent
        return None

    @property
    def _sns(self) -> Any:
        return self.clients("sns")

    def _data_protection(self) -> Any:
        return _set_json(self._sns.get_data_protection_policy(ResourceArn=self.topic_arn).get("DataProtectionPolicy"))

    def _subscribers(self) -> list[dict[str, Any]]:
        pages = self._sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=self.topic_arn)
        return [each for page in pages for each in page["Subscriptions"]]

    def _others(self, subscribers: list[dict[str, Any]]) -> list[str]:
        """Pagers, queues and people that were added by hand."""
        found = [each for each in subscribers if each["Endpoint"] not in self.addresses]
        return [f"a subscriber: {each['Protocol']} {each['Endpoint']}" for each in found]

    def _set(self, name: str, value: str) -> None:
        self._sns.set_topic_attributes(TopicArn=self.topic_arn, AttributeName=name, AttributeValue=value)


@dataclass(kw_only=True, eq=False)
class _Subscription(Resource):
    """An endpoint that is subscribed to a topic."""

    type: ClassVar[str] = "AWS::SNS::Subscription"
    permissions: ClassVar[str] = (
        "sns:GetSubscriptionAttributes sns:ListSubscriptionsByTopic sns:SetSubscriptionAttributes sns:Subscribe "
        "sns:Unsubscribe"
    )
    protocol: ClassVar[str]

    topic_arn: str
    endpoint: str

    @property
    def unset(self) -> Properties:
        # A filter keeps messages away; a redrive policy moves them to a queue.
        return {"FilterPolicy": None, "RedrivePolicy": None}

    def read(self) -> Properties | None:
        arn = self._arn()
        if arn is None:
            return None
        if not arn.startswith("arn:"):  # not confirmed yet: it has no attributes
            return dict(self.unset)
        found = self._sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
        return {name: _set_json(found.get(name)) for name in (*self.unset, *self.properties)}

    def create(self, properties: Properties) -> None:
        attributes = {name: json.dumps(properties[name]) for name in self.properties}
        self._sns.subscribe(
            TopicArn=self.topic_arn,
            Protocol=self.protocol,
            Endpoint=self.endpoint,
            Attributes=attributes,
            ReturnSubscriptionArn=True,
        )

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        for name in sorted(changed):
            value = json.dumps(properties[name] or {})
            self._sns.set_subscription_attributes(SubscriptionArn=self._arn(), AttributeName=name, AttributeValue=value)

    def delete(self) -> DeletionPending | None:
        arn = self._arn()
        if arn not in (None, _PENDING, "Deleted"):  # SNS removes unconfirmed subscriptions by itself
            self._sns.unsubscribe(SubscriptionArn=arn)
        return None

    @property
    def _sns(self) -> Any:
        return self.clients("sns")

    def _arn(self) -> str | None:
        try:
            for page in self._sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=self.topic_arn):
                for found in page["Subscriptions"]:
                    if found["Protocol"] == self.protocol and found["Endpoint"] == self.endpoint:
                        return str(found["SubscriptionArn"])
        except self._sns.exceptions.NotFoundException:
            return None
        return None


@dataclass(kw_only=True, eq=False)
class EmailSubscription(_Subscription):
    """A mail address. It gets nothing until its owner follows the link in SNS's first mail."""

    protocol: ClassVar[str] = "email"


@dataclass(kw_only=True, eq=False)
class QueueSubscription(_Subscription):
    """An SQS queue, by its ARN; its policy lets the topic send. Property: RawMessageDelivery."""

    protocol: ClassVar[str] = "sqs"


def _set_json(text: str | None) -> Any:
    """A JSON attribute; None if it is empty."""
    return json.loads(text or "{}") or None
