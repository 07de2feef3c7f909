@description('Name of the Application Insights component.')
param insightsName string

@description('Name of the Log Analytics workspace, when one is created.')
param workspaceName string

@description('Resource id of a workspace to use; empty creates one.')
param existingWorkspaceId string

@description('Region of both.')
param location string

@description('Tags of both.')
param tags object

@description('Days that a created workspace keeps its data.')
@minValue(30)
@maxValue(730)
param retentionDays int

@description('Gigabytes a day that a created workspace takes before it stops taking more; -1 for no limit.')
param dailyQuotaGb int

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = if (empty(existingWorkspaceId)) {
  name: workspaceName
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: retentionDays
    workspaceCapping: {
      dailyQuotaGb: dailyQuotaGb
    }
    features: {
      disableLocalAuth: true
    }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: insightsName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: empty(existingWorkspaceId) ? workspace.id : existingWorkspaceId
    // Telemetry is taken from identities only: what stands in the connection string opens nothing.
    DisableLocalAuth: true
  }
}

@description('Name of the component.')
output name string = insights.name

@description('Resource id of the component.')
output id string = insights.id

@description('Where telemetry goes. Not a secret: local authentication is off.')
output connectionString string = insights.properties.ConnectionString
