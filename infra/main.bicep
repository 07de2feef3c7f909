metadata description = 'Everything that flowlog-forwarder needs in Azure except the event subscriptions, which events.bicep adds once the function is published.'

targetScope = 'resourceGroup'

// ---- What there is: types ----

@description('A storage account that Network Watcher writes flow logs to: of the Standard tier, and of a kind that raises events.')
type flowLogAccount = {
  @description('Name of the account.')
  name: string

  @description('Resource group of the account; that of the deployment when left out.')
  resourceGroup: string?

  @description('Id of the subscription of the account; that of the deployment when left out. It must belong to the same tenant.')
  subscriptionId: string?

  @description('Region of the account; that of the deployment when left out.')
  location: string?

  @description('Whether to create the account. One that is there is only read.')
  create: bool?

  @description('Name of the Event Grid system topic that the account has already: there can be one only. It needs a system-assigned identity. Created when left out.')
  existingTopic: string?
}

@description('A flow log for Network Watcher to write.')
type flowLog = {
  @description('Name of the flow log.')
  name: string

  @description('Resource id of the virtual network, subnet or network interface.')
  targetId: string

  @description('Region of the target; that of the deployment when left out.')
  location: string?

  @description('Position in `flowLogAccounts` of the account that takes it; the first when left out.')
  account: int?

  @description('Days that its blobs are kept; kept for ever when left out or 0.')
  retentionDays: int?

  @description('Name of the region\'s Network Watcher; Azure\'s own choice of name when left out.')
  watcherName: string?

  @description('Resource group of the Network Watcher; Azure\'s own choice when left out.')
  watcherResourceGroup: string?
}

@description('An event hub that is there already.')
type existingHub = {
  @description('Name of the namespace.')
  namespaceName: string

  @description('Resource group of the namespace; that of the deployment when left out.')
  resourceGroup: string?

  @description('Id of the subscription of the namespace; that of the deployment when left out.')
  subscriptionId: string?
}

// ---- The forwarder ----

@description('What names begin with: lower-case letters and digits.')
@minLength(2)
@maxLength(11)
param prefix string = 'flowlog'

@description('Region. Event Grid, Network Watcher and the bill ask for that of the flow-log accounts.')
param location string = resourceGroup().location

@description('Tags of everything that is created.')
param tags object = {
  application: 'flowlog-forwarder'
}

@description('Name of the function app.')
param functionAppName string = '${prefix}-${uniqueString(resourceGroup().id, prefix)}'

@description('Whether the app has an identity of its own resource, which outlives the app and can be given roles beforehand, or the one that comes and goes with the app.')
@allowed(['userAssigned', 'systemAssigned'])
param identityKind string = 'userAssigned'

@description('Memory of an instance, MB. The forwarder\'s own use is flat; CPU and network grow with it.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Instances at most.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Instances kept warm for events, billed all the time; 0 lets the first event after a pause wait for a start.')
@minValue(0)
@maxValue(20)
param alwaysReadyInstances int = 0

@description('Log filter, as `RUST_LOG`.')
param logFilter string = 'info'

@description('Order of records, as `EVENT_HUB_PARTITION_KEY`: `none`, or `nic` to send each network interface\'s records to one partition.')
@allowed(['none', 'nic'])
param partitionKey string = 'none'

@description('Upper bound for one message, bytes, as `MAX_MESSAGE_BYTES`; 0 for what the hub takes.')
@minValue(0)
param maxMessageBytes int = 0

@description('When the sweep looks for what no event brought, as `FLOWLOG_SWEEP_SCHEDULE`: seconds, minutes, hours, days, months, weekdays.')
param sweepSchedule string = '0 */5 * * * *'

@description('Days that checkpoints are kept, as `CHECKPOINT_RETENTION_DAYS`: a sweep catches up from as far back, less a day.')
@minValue(2)
param checkpointRetentionDays int = 7

@description('Redundancy of the storage accounts that are created.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param storageSku string = 'Standard_LRS'

// ---- Where flow logs come from ----

@description('The storage accounts with flow logs, one at least.')
@minLength(1)
param flowLogAccounts flowLogAccount[]

@description('Flow-log containers that are forwarded, as `FLOWLOG_CONTAINERS`.')
@minLength(1)
param containers string[] = ['insights-logs-flowlogflowevent']

@description('Flow logs to switch on; none when they are managed elsewhere.')
param flowLogs flowLog[] = []

// ---- Where they go ----

@description('Name of the event hub.')
param hubName string = 'flowlogs'

@description('The namespace that has the hub already; null creates both.')
param hubNamespace existingHub?

@description('Tier of a created namespace.')
@allowed(['Standard', 'Premium'])
param hubSku string = 'Standard'

@description('Throughput or processing units of a created namespace.')
@minValue(1)
@maxValue(40)
param hubCapacity int = 1

@description('Throughput units that a created Standard namespace may grow to; 0 for no growth.')
@minValue(0)
@maxValue(40)
param hubMaximumCapacity int = 0

@description('Partitions of a created hub.')
@minValue(1)
@maxValue(100)
param hubPartitions int = 4

@description('Hours that a created hub keeps messages: the time that the SIEM may be away.')
@minValue(1)
@maxValue(2160)
param hubRetentionHours int = 24

@description('Consumer group that is created for the SIEM; empty for the default group. In a namespace that was there before, create it there.')
param consumerGroup string = 'hunters'

@description('Object id of the service principal by which the SIEM reads: it becomes a receiver of the hub. Empty when it has its role already or needs a key.')
param siemPrincipalId string = ''

@description('Whether a created hub gets a rule with a key that may listen. Only for a SIEM that can\'t use an identity: it opens the namespace to keys.')
param createListenRule bool = false

// ---- Networks ----

@description('Whether storage is reached through private endpoints. Created accounts are closed to everything else; the firewalls of accounts that are there are left alone.')
param privateStorage bool = false

@description('Whether the hub is reached through a private endpoint. A created namespace is closed to everything else, to a SIEM on the internet, too.')
param privateHub bool = false

@description('Address range of the network that is created for private endpoints.')
param networkAddressPrefix string = '10.90.0.0/23'

@description('Resource id of a subnet delegated to Microsoft.App/environments, to use instead of a new network; both subnets or neither.')
param existingFunctionsSubnetId string = ''

@description('Resource id of a subnet for the private endpoints, in a network that the other one reaches.')
param existingEndpointsSubnetId string = ''

@description('Whether private DNS zones are created and linked. Not where a hub network has them: then its owner, or a policy, adds the names.')
param createDnsZones bool = true

// ---- Monitoring ----

@description('Resource id of a Log Analytics workspace to use; empty creates one.')
param existingWorkspaceId string = ''

@description('Days that a created workspace keeps its data.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Gigabytes a day that a created workspace takes at most; -1 for no limit.')
param logDailyQuotaGb int = -1

@description('Whether alerts are created.')
param createAlerts bool = true

@description('Whether an hour without messages raises an alert. Not for networks that are quiet for an hour.')
param alertOnSilence bool = true

@description('Address that alerts are sent to; empty for alerts that are only shown.')
param alertEmail string = ''

// ---- Names ----

var unique = uniqueString(resourceGroup().id, prefix)
var hostStorageName = toLower('${prefix}${unique}')
// What the forwarder itself would create: see TABLE and CONTAINER in src/azure.
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

// The accounts with everything that may be left out filled in.
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
// The network of a subnet is what its id says before the subnet.
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
  // An app that starts before its endpoints have names would look for its storage on the internet.
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

// ---- What publishing, the event subscriptions and checks need ----

@description('Name of the function app.')
output functionAppName string = functionApp.outputs.name

@description('Resource id of the function app.')
output functionAppId string = functionApp.outputs.id

@description('Resource id of the host\'s storage account.')
output hostStorageId string = hostStorage.outputs.id

@description('Name of the host\'s storage account.')
output hostStorageName string = hostStorage.outputs.name

@description('Container of events that could not be delivered.')
output deadLetterContainer string = deadLetterContainer

@description('Flow-log containers that are forwarded.')
output containers string[] = containers

@description('Flow-log accounts, each with its place and its system topic.')
output sources array = sources

@description('Object id of the forwarder\'s identity.')
output principalId string = principalId

@description('Resource id of the Event Hubs namespace.')
output namespaceId string = namespaceId

// ---- What Hunters asks for ----

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
