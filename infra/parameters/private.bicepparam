// Like production, but storage denies public access: the app uses private endpoints in a new network. The hub accepts
// identities from the internet, because the SIEM reads it from there; `privateHub` changes that.
using '../main.bicep'

param flowLogAccounts = [
  {
    name: readEnvironmentVariable('FLOWLOG_ACCOUNT')
    resourceGroup: readEnvironmentVariable('FLOWLOG_ACCOUNT_GROUP')
  }
]
// If FLOWLOG_TARGET is the resource id of a virtual network, also creates its flow log.
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
