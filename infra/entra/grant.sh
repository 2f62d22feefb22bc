#!/usr/bin/env bash
# The default set of docs/permissions.md for the app's managed identity, for whoever has the Azure CLI and no checkout. It grants
# what is missing and takes nothing away; `reregister grant` does more: it refuses what is no managed identity, holds the ids
# against the tenant's, names what is too much, and reads back.
#
#   az login --tenant TENANT     # as a Privileged Role Administrator
#   ./grant.sh OBJECT_ID         # of the managed identity
set -euo pipefail

identity=${1:?object id of the managed identity}
graph=https://graph.microsoft.com/v1.0/servicePrincipals

permissions='
UserAuthenticationMethod.Read.All               38d9df27-64da-44fd-b7c5-a6fbac20248f
UserAuthMethod-Phone.ReadWrite.All              6e85d483-7092-4375-babe-0a94a8213a58
UserAuthMethod-MicrosoftAuthApp.ReadWrite.All   c833c349-a1ab-4b6d-94a2-fa9a8674420c
UserAuthMethod-SoftwareOATH.ReadWrite.All       787442d4-3c6e-4e99-aa95-8ccca20a48ff
UserAuthMethod-HardwareOATH.ReadWrite.All       7e9ebcc1-90aa-4471-8051-e68d6b4e9c89
User.Read.All                                   df021288-bdef-4463-88db-98f22de89214
User.RevokeSessions.All                         77f3a031-c388-4f99-b373-dc68676a979e
GroupMember.Read.All                            98830695-27a2-44f7-8c18-0c3ebc9698f6
RoleManagement.Read.Directory                   483bed4a-2ad3-4361-a73b-c83ccdbdc53c
PrivilegedEligibilitySchedule.Read.AzureADGroup edb419d6-7edc-42a3-9345-509bfdf5d87c
'

signed_in=$(az account show --query user.type --output tsv)
if [ "$signed_in" != user ]; then
  echo "An application is signed in. Permissions are granted by a person, and never by a pipeline." >&2
  exit 1
fi
kind=$(az rest --method get --url "$graph/$identity?\$select=servicePrincipalType" --query servicePrincipalType --output tsv)
if [ "$kind" != ManagedIdentity ]; then
  echo "$identity is of type $kind, and no managed identity." >&2
  exit 1
fi
resource=$(az rest --method get --url "$graph(appId='00000003-0000-0000-c000-000000000000')?\$select=id" --query id --output tsv)
held=$(az rest --method get --url "$graph/$identity/appRoleAssignments?\$top=999" --query 'value[].appRoleId' --output tsv)

while read -r name id; do
  [ -n "$name" ] || continue
  if grep -qiF "$id" <<< "$held"; then
    echo "there    $name"
  else
    az rest --method post --url "$graph/$resource/appRoleAssignedTo" --output none \
      --body "{\"principalId\": \"$identity\", \"resourceId\": \"$resource\", \"appRoleId\": \"$id\"}"
    echo "granted  $name"
  fi
done <<< "$permissions"
