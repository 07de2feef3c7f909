@description('Name of the Application Insights component.')
param insightsName string

@description('Name of the Log Analytics workspace to create.')
param workspaceName string

@description('Resource id of an existing workspace; empty creates one.')
param existingWorkspaceId string

@description('Region of component and workspace.')
param location string

@description('Tags of component and workspace.')
param tags object

@description('Retention of a created workspace, days.')
@minValue(30)
@maxValue(730)
param retentionDays int

@description('Daily quota of a created workspace, GB; -1 for no limit.')
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
    // Accepts telemetry from identities only, so the connection string grants no access.
    DisableLocalAuth: true
  }
}

@description('Name of the component.')
output name string = insights.name

@description('Resource id of the component.')
output id string = insights.id

@description('Connection string of the component. Not a secret, because local authentication is disabled.')
output connectionString string = insights.properties.ConnectionString
