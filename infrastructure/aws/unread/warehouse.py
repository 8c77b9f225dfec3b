"""What AWS answers of the warehouse and of its way to S3."""

from __future__ import annotations

from infrastructure.aws.unread.answer import FIXED, NAME, STATE, TIME, Answer, because

WAREHOUSE = (
    Answer(
        "AWS::RedshiftServerless::Namespace",
        "redshift-serverless",
        "GetNamespace",
        "namespace",
        "adminPasswordSecretArn adminPasswordSecretKmsKeyId adminUsername dbName defaultIamRoleArn iamRoles kmsKeyId "
        "logExports namespaceArn namespaceId status",
        {
            "namespaceName": NAME,
            "creationDate": TIME,
            **because(
                "whether others see it through the catalog, whose permissions are Lake Formation's",
                "catalogArn lakehouseRegistrationStatus s3TablePublishStatus",
            ),
        },
    ),
    Answer(
        "AWS::RedshiftServerless::Workgroup",
        "redshift-serverless",
        "GetWorkgroup",
        "workgroup",
        "baseCapacity configParameters crossAccountVpcs enhancedVpcRouting maxCapacity namespaceName port "
        "publiclyAccessible securityGroupIds status subnetIds workgroupArn",
        {
            **because(NAME, "workgroupName workgroupId"),
            "creationDate": TIME,
            "endpoint": "follows from port and subnets",
            **because(STATE, "patchVersion pendingTrackName trackName workgroupVersion"),
            **because(
                "a further name for the same door", "customDomainCertificateArn customDomainCertificateExpiryTime"
            ),
            "customDomainName": "a further name for the same door",
            "ipAddressType": "IPv6 beside IPv4; the security groups say who may come",
            **because(
                "what a query costs, within the capacity that is compared",
                "extraComputeForAutomaticOptimization pricePerformanceTarget",
            ),
        },
    ),
    Answer(
        "AWS::RedshiftServerless::UsageLimit",
        "redshift-serverless",
        "ListUsageLimits",
        "usageLimits",
        "amount breachAction period usageLimitId",
        because(NAME, "resourceArn usageLimitArn usageType"),
    ),
    Answer(
        "AWS::EC2::VPCEndpoint",
        "ec2",
        "DescribeVpcEndpoints",
        "VpcEndpoints",
        "PolicyDocument RouteTableIds State Tags VpcEndpointId",
        {
            **because(NAME, "ServiceName VpcEndpointType VpcId OwnerId ServiceRegion"),
            "CreationTimestamp": TIME,
            **because(STATE, "FailureReason LastError RequesterManaged"),
            **because(
                "of interface endpoints",
                "DnsEntries DnsOptions Groups IpAddressType Ipv4Prefixes Ipv6Prefixes NetworkInterfaceIds "
                "PayerResponsibilities PrivateDnsEnabled SubnetIds",
            ),
            **because(FIXED, "ResourceConfigurationArn ServiceNetworkArn"),
        },
    ),
)
