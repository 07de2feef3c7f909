// As production, with storage behind firewalls: the app reaches it through private endpoints in a network of its own.
// The hub stays open to identities on the internet, because that is where the SIEM reads it from; `privateHub` closes it.
using '../main.bicep'

param flowLogAccounts = [
  {
    name: readEnvironmentVariable('FLOWLOG_ACCOUNT')
    resourceGroup: readEnvironmentVariable('FLOWLOG_ACCOUNT_GROUP')
  }
]
// Switches the flow log itself on, too, where FLOWLOG_TARGET is the resource id of a virtual network.
param flowLogs = empty(readEnvironmentVariable('FLOWLOG_TARGET', ''))
  ? []
  : [
      {
        name: 'flowlogs'
        targetId: readEnvironmentVariable('FLOWLOG_TARGET', '')
      }
    ]
param privateStorage = true
param networkAddressPrefix = '10.90.0.0/23'
param alwaysReadyInstances = 1
param maximumInstanceCount = 100
param storageSku = 'Standard_ZRS'
param hubCapacity = 2
param hubMaximumCapacity = 20
param hubPartitions = 16
param hubRetentionHours = 72
param logRetentionDays = 90
param alertEmail = readEnvironmentVariable('ALERT_EMAIL')
