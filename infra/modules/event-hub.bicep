@description('Name of the namespace.')
param namespaceName string

@description('Name of the event hub.')
param hubName string

@description('Region of the namespace.')
param location string

@description('Tags of the namespace.')
param tags object

@description('Tier: Basic takes messages of up to 256 KB and knows no consumer groups, so Standard is the least.')
@allowed(['Standard', 'Premium'])
param skuName string

@description('Throughput units (Standard: 1 MB/s in, 2 MB/s out each) or processing units (Premium) to begin with.')
@minValue(1)
@maxValue(40)
param capacity int

@description('Throughput units that Standard may grow to by itself; 0 keeps it at its capacity.')
@minValue(0)
@maxValue(40)
param maximumCapacity int

@description('Partitions of the hub. Standard can\'t change the number later.')
@minValue(1)
@maxValue(100)
param partitionCount int

@description('Hours that messages stay in the hub: at most 168 for Standard, 2160 for Premium.')
@minValue(1)
@maxValue(2160)
param retentionHours int

@description('Consumer group for the SIEM; empty for the default one alone.')
param consumerGroup string

@description('Whether the hub gets a rule with a key that may listen, for a SIEM that can\'t use an identity. Keys are refused by the whole namespace otherwise.')
param createListenRule bool

@description('Whether the namespace is reached through private endpoints only.')
param isPrivate bool

var inflates = skuName == 'Standard' && maximumCapacity > capacity

resource namespace 'Microsoft.EventHub/namespaces@2024-01-01' = {
  name: namespaceName
  location: location
  tags: tags
  sku: {
    name: skuName
    tier: skuName
    capacity: capacity
  }
  properties: {
    minimumTlsVersion: '1.2'
    disableLocalAuth: !createListenRule
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    isAutoInflateEnabled: inflates
    maximumThroughputUnits: inflates ? maximumCapacity : 0
  }
}

resource hub 'Microsoft.EventHub/namespaces/eventhubs@2024-01-01' = {
  parent: namespace
  name: hubName
  properties: {
    partitionCount: partitionCount
    retentionDescription: {
      cleanupPolicy: 'Delete'
      retentionTimeInHours: retentionHours
    }
  }
}

resource group 'Microsoft.EventHub/namespaces/eventhubs/consumergroups@2024-01-01' = if (!empty(consumerGroup)) {
  parent: hub
  name: empty(consumerGroup) ? '$Default' : consumerGroup
}

resource listen 'Microsoft.EventHub/namespaces/eventhubs/authorizationRules@2024-01-01' = if (createListenRule) {
  parent: hub
  name: 'siem-listen'
  properties: {
    rights: ['Listen']
  }
}

@description('Resource id of the namespace.')
output namespaceId string = namespace.id
