@description('Name of the function app.')
param name string

@description('Name of the app\'s plan.')
param planName string

@description('Region of app and plan.')
param location string

@description('Tags of app and plan.')
param tags object

@description('Resource id of the user-assigned identity; empty for a system-assigned one.')
param identityId string

@description('Client id of the user-assigned identity; empty for a system-assigned one.')
param identityClientId string

@description('Name of the host\'s storage account.')
param hostStorageName string

@description('URL of the container for the published package.')
param packageUri string

@description('Connection string of Application Insights.')
param insightsConnectionString string

@description('Blob service URLs of the flow-log accounts.')
param blobServiceUris string[]

@description('Containers to forward.')
param containers string[]

@description('Host name of the Event Hubs namespace.')
param hubHost string

@description('Name of the event hub.')
param hubName string

@description('Partition key: `none` or `nic`.')
param partitionKey string

@description('Maximum size of a message, bytes; 0 for the hub\'s limit.')
param maxMessageBytes int

@description('Schedule of the sweep, a six-field NCRONTAB expression.')
param sweepSchedule string

@description('Retention of checkpoints, days.')
param checkpointRetentionDays int

@description('Log filter.')
param logFilter string

@description('Memory of an instance, MB.')
param instanceMemoryMB int

@description('Maximum number of instances.')
param maximumInstanceCount int

@description('Number of instances that always run.')
param alwaysReadyInstances int

@description('Resource id of the subnet for outbound traffic; empty for none.')
param subnetId string

var isUserAssigned = !empty(identityId)

// The identity of each connection. The Functions host defines the names of these settings.
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
    // Event Grid delivers to the app's public address, and authenticates with the function's key, which it fetches itself.
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

// Disables publishing with user name and password.
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
