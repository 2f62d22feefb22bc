#!/usr/bin/env bash
# The app registration that stands for ServiceNow in Entra: the audience of the tokens with which Reregister calls it. It is nobody
# and can do nothing: no secret, no certificate, no reply URL. Only who has its one role gets tokens for it: the managed identity.
# A second run changes nothing.
#
#   az login --tenant TENANT                      # as an Application Administrator, or more
#   ./servicenow-audience.sh NAME OBJECT_ID       # of the registration; of the managed identity
set -euo pipefail

name=${1:?name of the app registration, such as reregister-servicenow}
identity=${2:?object id of the managed identity}
graph=https://graph.microsoft.com/v1.0
role=6d1f0f0e-52f4-4c55-9d0b-2f6f1f6a7b11 # of this registration's only app role; any GUID would do

if [[ ! $name =~ ^[A-Za-z0-9._-]+$ ]]; then
  echo "A name of letters, digits, dots, dashes." >&2
  exit 1
fi

read_one() { # URL below Graph, query
  az rest --method get --url "$graph/$1" --query "$2" --output tsv
}

change() { # method, URL below Graph, body
  az rest --method "$1" --url "$graph/$2" --body "$3" --output none
}

found=$(read_one "applications?\$filter=displayName%20eq%20'$name'&\$select=appId" 'value[].appId')
if [ "$(wc -w <<< "$found")" -gt 1 ]; then
  echo "Several registrations are named $name:" "$found" >&2
  exit 1
fi
app_id=$found
if [ -z "$app_id" ]; then
  app_id=$(az rest --method post --url "$graph/applications" --query appId --output tsv \
    --body "{\"displayName\": \"$name\", \"signInAudience\": \"AzureADMyOrg\"}")
  echo "made       registration $name ($app_id)"
fi
application="applications(appId='$app_id')"

ways_in='[passwordCredentials[].keyId, keyCredentials[].keyId, web.redirectUris, spa.redirectUris, publicClient.redirectUris][] | [?@]'
if [ -n "$(read_one "$application" "$ways_in")" ]; then
  echo "$name ($app_id) has a secret, a certificate or a reply URL: it is something else, or was tampered with. Look at it." >&2
  exit 1
fi

# Version 2: the token's `aud` is the application id, which is what ServiceNow's OIDC entity has as its client id.
wanted="2 api://$app_id $role "
is=$(read_one "$application" '[api.requestedAccessTokenVersion, identifierUris[0], appRoles[0].id]' | tr '\n' ' ')
if [ "$is" != "$wanted" ]; then
  change patch "$application" "{
    \"api\": {\"requestedAccessTokenVersion\": 2},
    \"identifierUris\": [\"api://$app_id\"],
    \"appRoles\": [{
      \"id\": \"$role\", \"value\": \"Tickets.Write\", \"displayName\": \"Tickets.Write\", \"isEnabled\": true,
      \"description\": \"Calls ServiceNow as the integration user.\", \"allowedMemberTypes\": [\"Application\"]
    }]
  }"
  echo "set        token version, identifier, role"
fi

principal=$(read_one "servicePrincipals?\$filter=appId%20eq%20'$app_id'&\$select=id" 'value[0].id')
if [ -z "$principal" ]; then
  principal=$(az rest --method post --url "$graph/servicePrincipals" --query id --output tsv --body "{\"appId\": \"$app_id\"}")
  echo "made       service principal $principal"
fi
if [ "$(read_one "servicePrincipals/$principal" appRoleAssignmentRequired)" != true ]; then
  change patch "servicePrincipals/$principal" '{"appRoleAssignmentRequired": true}'
  echo "set        tokens only for who has the role"
fi
held=$(read_one "servicePrincipals/$principal/appRoleAssignedTo?\$top=999" 'value[].principalId')
if ! grep -qiF "$identity" <<< "$held"; then
  change post "servicePrincipals/$principal/appRoleAssignedTo" \
    "{\"principalId\": \"$identity\", \"resourceId\": \"$principal\", \"appRoleId\": \"$role\"}"
  echo "given      the role to $identity"
fi

echo "SERVICENOW_AUDIENCE=api://$app_id"
echo "ServiceNow: client id of the OIDC entity $app_id; claim oid = $identity"
