@description('Name of the function app.')
param name string

@description('Name of its plan.')
param planName string

@description('Region of both.')
param location string

@description('Tags of both.')
param tags object

@description('Resource id of the user-assigned identity; empty for a system-assigned one.')
param identityId string

@description('Client id of the user-assigned identity; empty for a system-assigned one.')
param identityClientId string

@description('Name of the host\'s storage account.')
param hostStorageName string

@description('Address of the container that the package is published to.')
param packageUri string

@description('Where Application Insights takes telemetry.')
param insightsConnectionString string

@description('Blob service addresses of the flow-log accounts.')
param blobServiceUris string[]

@description('Flow-log containers that are forwarded.')
param containers string[]

@description('Host name of the Event Hubs namespace.')
param hubHost string

@description('Name of the event hub.')
param hubName string

@description('Order of records: `none`, or `nic`.')
param partitionKey string

@description('Upper bound for one message, bytes; 0 for what the hub takes.')
param maxMessageBytes int

@description('When the sweep runs, as the Functions host reads it.')
param sweepSchedule string

@description('Days that checkpoints are kept.')
param checkpointRetentionDays int

@description('Log filter.')
param logFilter string

@description('Memory of an instance, MB.')
param instanceMemoryMB int

@description('Instances at most.')
param maximumInstanceCount int

@description('Instances kept warm for events.')
param alwaysReadyInstances int

@description('Resource id of the subnet for outgoing traffic; empty for none.')
param subnetId string

var isUserAssigned = !empty(identityId)

// How each connection is let in: the settings' names are the Functions host's own convention.
var identitySettings = isUserAssigned
  ? {
      AzureWebJobsStorage__clientId: identityClientId
      FLOWLOG_STORAGE__clientId: identityClientId
      EVENT_HUB_CONNECTION__clientId: identityClientId
    }
  : {}

var optionalSettings = maxMessageBytes > 0
  ? {
      MAX_MESSAGE_BYTES: string(maxMessageBytes)
    }
  : {}

var settings = union(
  {
    APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: isUserAssigned
      ? 'ClientId=${identityClientId};Authorization=AAD'
      : 'Authorization=AAD'
    AzureWebJobsStorage__accountName: hostStorageName
    AzureWebJobsStorage__credential: 'managedidentity'
    FLOWLOG_STORAGE__blobServiceUri: join(blobServiceUris, ',')
    FLOWLOG_STORAGE__credential: 'managedidentity'
    FLOWLOG_CONTAINERS: join(containers, ',')
    EVENT_HUB_CONNECTION__fullyQualifiedNamespace: hubHost
    EVENT_HUB_CONNECTION__credential: 'managedidentity'
    EVENT_HUB_NAME: hubName
    EVENT_HUB_PARTITION_KEY: partitionKey
    FLOWLOG_SWEEP_SCHEDULE: sweepSchedule
    CHECKPOINT_RETENTION_DAYS: string(checkpointRetentionDays)
    RUST_LOG: logFilter
  },
  identitySettings,
  optionalSettings
)

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2024-11-01' = {
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: isUserAssigned
    ? {
        type: 'UserAssigned'
        userAssignedIdentities: {
          '${identityId}': {}
        }
      }
    : {
        type: 'SystemAssigned'
      }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    // Event Grid delivers over the app's public address; the function's key, which it fetches itself, opens it.
    publicNetworkAccess: 'Enabled'
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    functionAppConfig: {
      runtime: {
        name: 'custom'
        version: '1.0'
      }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageUri
          authentication: isUserAssigned
            ? {
                type: 'UserAssignedIdentity'
                userAssignedIdentityResourceId: identityId
              }
            : {
                type: 'SystemAssignedIdentity'
              }
        }
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReadyInstances > 0
          ? [
              {
                name: 'function:FlowLogBlobCreated'
                instanceCount: alwaysReadyInstances
              }
            ]
          : []
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      appSettings: [for setting in items(settings): {
        name: setting.key
        value: setting.value
      }]
    }
  }
}

// Publishing by user name and password is off: the package is published by identity.
resource ftp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource scm 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

@description('Resource id of the app.')
output id string = app.id

@description('Name of the app.')
output name string = app.name

@description('Object id of the system-assigned identity; empty for a user-assigned one.')
output principalId string = isUserAssigned ? '' : app.identity.principalId
