metadata description = 'All Azure resources of flowlog-forwarder except the event subscriptions, which events.bicep creates after the function is published.'

targetScope = 'resourceGroup'

// ---- Types ----

@description('A storage account to which Network Watcher writes flow logs. It must be of the Standard tier and of a kind that raises events.')
type flowLogAccount = {
  @description('Name of the account.')
  name: string

  @description('Resource group of the account; default: that of the deployment.')
  resourceGroup: string?

  @description('Subscription id of the account, in the same tenant; default: that of the deployment.')
  subscriptionId: string?

  @description('Region of the account; default: that of the deployment.')
  location: string?

  @description('Whether to create the account. An existing account is not changed.')
  create: bool?

  @description('Name of the account\'s existing Event Grid system topic, which needs a system-assigned identity. An account can have only one. Default: create one.')
  existingTopic: string?
}

@description('A flow log to create in Network Watcher.')
type flowLog = {
  @description('Name of the flow log.')
  name: string

  @description('Resource id of the virtual network, subnet or network interface.')
  targetId: string

  @description('Region of the target; default: that of the deployment.')
  location: string?

  @description('Index in `flowLogAccounts` of the account to write to; default: 0.')
  account: int?

  @description('Retention of its blobs, days; 0 keeps them forever. Default: 0.')
  retentionDays: int?

  @description('Name of the region\'s Network Watcher; default: the name that Azure gives it.')
  watcherName: string?

  @description('Resource group of the Network Watcher; default: the group that Azure creates for it.')
  watcherResourceGroup: string?
}

@description('The namespace of an existing event hub.')
type existingHub = {
  @description('Name of the namespace.')
  namespaceName: string

  @description('Resource group of the namespace; default: that of the deployment.')
  resourceGroup: string?

  @description('Subscription id of the namespace; default: that of the deployment.')
  subscriptionId: string?
}

// ---- The forwarder ----

@description('Prefix of resource names: lower-case letters and digits.')
@minLength(2)
@maxLength(11)
param prefix string = 'flowlog'

@description('Region of the deployment. Use that of the flow-log accounts: Event Grid and Network Watcher require it, and transfers cost less.')
param location string = resourceGroup().location

@description('Tags of all created resources.')
param tags object = {
  application: 'flowlog-forwarder'
}

@description('Name of the function app.')
param functionAppName string = '${prefix}-${uniqueString(resourceGroup().id, prefix)}'

@description('Kind of the app\'s managed identity. A user-assigned one is a separate resource that outlives the app; a system-assigned one is created and deleted with the app.')
@allowed(['userAssigned', 'systemAssigned'])
param identityKind string = 'userAssigned'

@description('Memory of an instance, MB. The forwarder needs little, but CPU and network bandwidth grow with it.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Maximum number of instances.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Instances that always run, and are always billed. With 0, the first event after a pause waits for a cold start.')
@minValue(0)
@maxValue(20)
param alwaysReadyInstances int = 0

@description('Log filter (`RUST_LOG`).')
param logFilter string = 'info'

@description('Partition key (`EVENT_HUB_PARTITION_KEY`): `none`, or `nic` to send all records of a network interface to one partition, which keeps their order.')
@allowed(['none', 'nic'])
param partitionKey string = 'none'

@description('Maximum size of a message, bytes (`MAX_MESSAGE_BYTES`); 0 for the hub\'s limit.')
@minValue(0)
param maxMessageBytes int = 0

@description('Schedule of the sweep, which forwards records that no event announced (`FLOWLOG_SWEEP_SCHEDULE`): seconds, minutes, hours, days, months, weekdays.')
param sweepSchedule string = '0 */5 * * * *'

@description('Retention of checkpoints, days (`CHECKPOINT_RETENTION_DAYS`). A sweep covers one day less.')
@minValue(2)
param checkpointRetentionDays int = 7

@description('Redundancy of created storage accounts.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param storageSku string = 'Standard_LRS'

// ---- Sources ----

@description('The storage accounts with flow logs, at least one.')
@minLength(1)
param flowLogAccounts flowLogAccount[]

@description('Containers to forward (`FLOWLOG_CONTAINERS`).')
@minLength(1)
param containers string[] = ['insights-logs-flowlogflowevent']

@description('Flow logs to create; none if they are managed elsewhere.')
param flowLogs flowLog[] = []

// ---- Event hub ----

@description('Name of the event hub.')
param hubName string = 'flowlogs'

@description('The namespace of an existing hub; null creates namespace and hub.')
param hubNamespace existingHub?

@description('Tier of a created namespace.')
@allowed(['Standard', 'Premium'])
param hubSku string = 'Standard'

@description('Throughput or processing units of a created namespace.')
@minValue(1)
@maxValue(40)
param hubCapacity int = 1

@description('Maximum throughput units for auto-inflate of a created Standard namespace; 0 turns it off.')
@minValue(0)
@maxValue(40)
param hubMaximumCapacity int = 0

@description('Partitions of a created hub.')
@minValue(1)
@maxValue(100)
param hubPartitions int = 4

@description('Message retention of a created hub, hours: how long the SIEM may be unavailable.')
@minValue(1)
@maxValue(2160)
param hubRetentionHours int = 24

@description('Consumer group to create for the SIEM; empty for the default group. In an existing hub, create it yourself.')
param consumerGroup string = 'hunters'

@description('Object id of the SIEM\'s service principal, which gets the receiver role on the hub. Empty if it has the role already or uses a key.')
param siemPrincipalId string = ''

@description('Whether to create an authorization rule with a listen key in a created hub. Only for a SIEM that can\'t use an identity: it enables key authentication for the namespace.')
param createListenRule bool = false

// ---- Networks ----

@description('Whether to use private endpoints for storage. Created accounts then deny public access; the firewalls of existing accounts are not changed.')
param privateStorage bool = false

@description('Whether to use a private endpoint for the hub. A created namespace then denies public access, including that of a SIEM on the internet.')
param privateHub bool = false

@description('Address range of the virtual network to create for private endpoints.')
param networkAddressPrefix string = '10.90.0.0/23'

@description('Resource id of an existing subnet for the app, delegated to Microsoft.App/environments, instead of a new network. Set both subnets or neither.')
param existingFunctionsSubnetId string = ''

@description('Resource id of an existing subnet for the private endpoints, reachable from the app\'s subnet.')
param existingEndpointsSubnetId string = ''

@description('Whether to create and link private DNS zones. Turn this off if a hub network has them; its owner or a policy then adds the records.')
param createDnsZones bool = true

// ---- Monitoring ----

@description('Resource id of an existing Log Analytics workspace; empty creates one.')
param existingWorkspaceId string = ''

@description('Retention of a created workspace, days.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Daily quota of a created workspace, GB; -1 for no limit.')
param logDailyQuotaGb int = -1

@description('Whether to create alerts.')
param createAlerts bool = true

@description('Whether an hour without messages raises an alert. Turn this off for networks that can be idle for an hour.')
param alertOnSilence bool = true

@description('E-mail address for alerts; empty to show them in the portal only.')
param alertEmail string = ''

// ---- Names ----

var unique = uniqueString(resourceGroup().id, prefix)
var hostStorageName = toLower('${prefix}${unique}')
// The forwarder's own names: TABLE and CONTAINER in src/azure.
var checkpointTable = 'flowlogcheckpoints'
var quarantineContainer = 'flowlog-quarantine'
var stateContainer = 'flowlog-state'
var packageContainer = 'package'
var deadLetterContainer = 'undelivered-events'

var isUserAssigned = identityKind == 'userAssigned'
var isPrivate = privateStorage || privateHub
var createsNetwork = isPrivate && empty(existingFunctionsSubnetId)
var createsHub = empty(hubNamespace)

var namespaceName = hubNamespace.?namespaceName ?? '${prefix}-hub-${unique}'
var namespaceResourceGroup = hubNamespace.?resourceGroup ?? resourceGroup().name
var namespaceSubscriptionId = hubNamespace.?subscriptionId ?? subscription().subscriptionId
var namespaceId = resourceId(
  namespaceSubscriptionId,
  namespaceResourceGroup,
  'Microsoft.EventHub/namespaces',
  namespaceName
)

// The accounts, with defaults filled in.
var sources = map(flowLogAccounts, account => {
  name: account.name
  resourceGroup: account.?resourceGroup ?? resourceGroup().name
  subscriptionId: account.?subscriptionId ?? subscription().subscriptionId
  location: account.?location ?? location
  create: account.?create ?? false
  topicName: account.?existingTopic ?? '${account.name}-flowlogs'
  hasTopic: account.?existingTopic != null
})

// ---- Resources ----

module identity 'modules/identity.bicep' = if (isUserAssigned) {
  name: 'identity'
  params: {
    name: '${prefix}-identity-${unique}'
    location: location
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  params: {
    insightsName: '${prefix}-insights-${unique}'
    workspaceName: '${prefix}-logs-${unique}'
    existingWorkspaceId: existingWorkspaceId
    location: location
    tags: tags
    retentionDays: logRetentionDays
    dailyQuotaGb: logDailyQuotaGb
  }
}

module hostStorage 'modules/host-storage.bicep' = {
  name: 'host-storage'
  params: {
    name: hostStorageName
    location: location
    tags: tags
    skuName: storageSku
    packageContainer: packageContainer
    deadLetterContainer: deadLetterContainer
    checkpointTable: checkpointTable
    quarantineContainer: quarantineContainer
    stateContainer: stateContainer
    isPrivate: privateStorage
  }
}

module flowLogStorage 'modules/flow-log-storage.bicep' = [
  for (source, index) in sources: if (source.create) {
    name: 'flow-log-storage-${index}'
    scope: resourceGroup(source.subscriptionId, source.resourceGroup)
    params: {
      name: source.name
      location: source.location
      tags: tags
      skuName: storageSku
      isPrivate: privateStorage
    }
  }
]

module eventHub 'modules/event-hub.bicep' = if (createsHub) {
  name: 'event-hub'
  params: {
    namespaceName: namespaceName
    hubName: hubName
    location: location
    tags: tags
    skuName: hubSku
    capacity: hubCapacity
    maximumCapacity: hubMaximumCapacity
    partitionCount: hubPartitions
    retentionHours: hubRetentionHours
    consumerGroup: consumerGroup
    createListenRule: createListenRule
    isPrivate: privateHub
  }
}

module network 'modules/network.bicep' = if (createsNetwork) {
  name: 'network'
  params: {
    name: '${prefix}-network-${unique}'
    location: location
    tags: tags
    addressPrefix: networkAddressPrefix
  }
}

var functionsSubnetId = createsNetwork
  ? network!.outputs.functionsSubnetId
  : (isPrivate ? existingFunctionsSubnetId : '')
var endpointsSubnetId = createsNetwork ? network!.outputs.endpointsSubnetId : existingEndpointsSubnetId
// The id of a subnet begins with the id of its network.
var networkId = split('${functionsSubnetId}/subnets/', '/subnets/')[0]

var zoneNames = {
  blob: 'privatelink.blob.${environment().suffixes.storage}'
  table: 'privatelink.table.${environment().suffixes.storage}'
  namespace: 'privatelink.servicebus.windows.net'
}
var zonesOfStorage = privateStorage ? ['blob', 'table'] : []
var zonesOfHub = privateHub ? ['namespace'] : []
var zones = createDnsZones ? concat(zonesOfStorage, zonesOfHub) : []

module dnsZones 'modules/dns-zone.bicep' = [
  for zone in zones: {
    name: 'dns-${zone}'
    params: {
      name: zoneNames[zone]
      tags: tags
      networkId: networkId
    }
  }
]

var endpointsOfHost = [
  {
    name: 'host-blob'
    targetId: resourceId('Microsoft.Storage/storageAccounts', hostStorageName)
    groupId: 'blob'
  }
  {
    name: 'host-table'
    targetId: resourceId('Microsoft.Storage/storageAccounts', hostStorageName)
    groupId: 'table'
  }
]
var endpointsOfSources = map(sources, source => {
  name: '${source.name}-blob'
  targetId: resourceId(
    source.subscriptionId,
    source.resourceGroup,
    'Microsoft.Storage/storageAccounts',
    source.name
  )
  groupId: 'blob'
})
var endpointsOfHub = [
  {
    name: 'hub'
    targetId: namespaceId
    groupId: 'namespace'
  }
]
var endpoints = concat(
  privateStorage ? concat(endpointsOfHost, endpointsOfSources) : [],
  privateHub ? endpointsOfHub : []
)

module privateEndpoints 'modules/private-endpoint.bicep' = [
  for endpoint in endpoints: {
    name: 'endpoint-${endpoint.name}'
    params: {
      name: '${prefix}-${endpoint.name}'
      location: location
      tags: tags
      subnetId: endpointsSubnetId
      targetId: endpoint.targetId
      groupId: endpoint.groupId
      zoneId: createDnsZones ? resourceId('Microsoft.Network/privateDnsZones', zoneNames[endpoint.groupId]) : ''
    }
    dependsOn: [
      hostStorage
      flowLogStorage
      eventHub
      dnsZones
    ]
  }
]

module functionApp 'modules/function-app.bicep' = {
  name: 'function-app'
  params: {
    name: functionAppName
    planName: '${prefix}-plan-${unique}'
    location: location
    tags: tags
    identityId: isUserAssigned ? identity!.outputs.id : ''
    identityClientId: isUserAssigned ? identity!.outputs.clientId : ''
    hostStorageName: hostStorage.outputs.name
    packageUri: hostStorage.outputs.packageUri
    insightsConnectionString: monitoring.outputs.connectionString
    blobServiceUris: map(sources, source => 'https://${source.name}.blob.${environment().suffixes.storage}')
    containers: containers
    hubHost: '${namespaceName}.servicebus.windows.net'
    hubName: hubName
    partitionKey: partitionKey
    maxMessageBytes: maxMessageBytes
    sweepSchedule: sweepSchedule
    checkpointRetentionDays: checkpointRetentionDays
    logFilter: logFilter
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: alwaysReadyInstances
    subnetId: functionsSubnetId
  }
  // Before the endpoints have DNS records, the app would connect to its storage's public address.
  dependsOn: [
    privateEndpoints
  ]
}

var principalId = isUserAssigned ? identity!.outputs.principalId : functionApp.outputs.principalId

module rolesOnHost 'modules/roles-host.bicep' = {
  name: 'roles-host'
  params: {
    accountName: hostStorage.outputs.name
    insightsName: monitoring.outputs.name
    principalId: principalId
  }
}

module rolesOnSources 'modules/roles-source.bicep' = [
  for (source, index) in sources: {
    name: 'roles-source-${index}'
    scope: resourceGroup(source.subscriptionId, source.resourceGroup)
    params: {
      accountName: source.name
      principalId: principalId
    }
    dependsOn: [
      flowLogStorage
    ]
  }
]

module rolesOnHub 'modules/roles-hub.bicep' = {
  name: 'roles-hub'
  scope: resourceGroup(namespaceSubscriptionId, namespaceResourceGroup)
  params: {
    namespaceName: namespaceName
    hubName: hubName
    senderPrincipalId: principalId
    receiverPrincipalId: siemPrincipalId
  }
  dependsOn: [
    eventHub
  ]
}

module topics 'modules/event-topic.bicep' = [
  for (source, index) in sources: {
    name: 'event-topic-${index}'
    scope: resourceGroup(source.subscriptionId, source.resourceGroup)
    params: {
      name: source.topicName
      exists: source.hasTopic
      location: source.location
      tags: tags
      accountName: source.name
    }
    dependsOn: [
      flowLogStorage
    ]
  }
]

module rolesOfTopics 'modules/roles-dead-letter.bicep' = [
  for (source, index) in sources: {
    name: 'roles-dead-letter-${index}'
    params: {
      accountName: hostStorage.outputs.name
      containerName: deadLetterContainer
      principalId: topics[index].outputs.principalId
    }
  }
]

module flowLogResources 'modules/flow-log.bicep' = [
  for (log, index) in flowLogs: {
    name: 'flow-log-${index}'
    scope: resourceGroup(log.?watcherResourceGroup ?? 'NetworkWatcherRG')
    params: {
      watcherName: log.?watcherName ?? 'NetworkWatcher_${log.?location ?? location}'
      name: log.name
      location: log.?location ?? location
      tags: tags
      targetId: log.targetId
      storageId: resourceId(
        sources[log.?account ?? 0].subscriptionId,
        sources[log.?account ?? 0].resourceGroup,
        'Microsoft.Storage/storageAccounts',
        sources[log.?account ?? 0].name
      )
      retentionDays: log.?retentionDays ?? 0
    }
    dependsOn: [
      flowLogStorage
    ]
  }
]

module alerts 'modules/alerts.bicep' = if (createAlerts) {
  name: 'alerts'
  params: {
    prefix: prefix
    location: location
    tags: tags
    insightsId: monitoring.outputs.id
    namespaceId: namespaceId
    hubName: hubName
    topicIds: map(
      sources,
      source =>
        resourceId(
          source.subscriptionId,
          source.resourceGroup,
          'Microsoft.EventGrid/systemTopics',
          source.topicName
        )
    )
    alertOnSilence: alertOnSilence
    emailAddress: alertEmail
  }
  dependsOn: [
    eventHub
    topics
  ]
}

module workbook 'modules/workbook.bicep' = {
  name: 'workbook'
  params: {
    title: 'flowlog-forwarder (${functionAppName})'
    location: location
    tags: tags
    insightsId: monitoring.outputs.id
  }
}

// ---- Outputs for scripts/deploy.sh and events.bicep ----

@description('Name of the function app.')
output functionAppName string = functionApp.outputs.name

@description('Resource id of the function app.')
output functionAppId string = functionApp.outputs.id

@description('Resource id of the host\'s storage account.')
output hostStorageId string = hostStorage.outputs.id

@description('Name of the host\'s storage account.')
output hostStorageName string = hostStorage.outputs.name

@description('Container for dead-lettered events.')
output deadLetterContainer string = deadLetterContainer

@description('Forwarded containers.')
output containers string[] = containers

@description('Flow-log accounts, each with resource group, subscription and system topic.')
output sources array = sources

@description('Object id of the forwarder\'s identity.')
output principalId string = principalId

@description('Resource id of the Event Hubs namespace.')
output namespaceId string = namespaceId

// ---- Outputs for the data source in Hunters ----

@description('Subscription id.')
output huntersSubscriptionId string = namespaceSubscriptionId

@description('Resource group name.')
output huntersResourceGroup string = namespaceResourceGroup

@description('Event Hub namespace.')
output huntersNamespace string = namespaceName

@description('Event Hub name.')
output huntersEventHub string = hubName

@description('Consumer group.')
output huntersConsumerGroup string = createsHub && !empty(consumerGroup) ? consumerGroup : '$Default'
