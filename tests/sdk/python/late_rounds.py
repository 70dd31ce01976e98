"""What a program that waits as it should gets through, where Azure is late: a principal, a vault's name, a grant, a deletion."""

import time
import uuid

from azure.core.exceptions import HttpResponseError
from azure.keyvault.secrets import SecretClient
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.keyvault import KeyVaultManagementClient
from azure.mgmt.msi import ManagedServiceIdentityClient
from place import step

SECRETS_OFFICER = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"


def run(place):
    group, name = place.group, f"kv-{place.tag}-late"
    identities = ManagedServiceIdentityClient(place.credential, place.subscription).user_assigned_identities
    roles = AuthorizationManagementClient(place.credential, place.subscription).role_assignments
    vaults = KeyVaultManagementClient(place.credential, place.subscription).vaults
    claims = place.claims()

    def grant(scope, principal):
        role = f"/subscriptions/{place.subscription}/providers/Microsoft.Authorization/roleDefinitions/{SECRETS_OFFICER}"
        wish = {"role_definition_id": role, "principal_id": principal, "principal_type": "ServicePrincipal"}
        return roles.create(scope, str(uuid.uuid4()), wish).principal_id == principal

    identity = identities.create_or_update(group, f"sdk-{place.tag}-late", {"location": "westeurope"})
    step("late.new principal", lambda: patiently(lambda: grant(place.scope(), identity.principal_id)))

    def create():
        properties = {"tenantId": claims["tid"], "sku": {"family": "A", "name": "standard"}, "enableRbacAuthorization": True}
        poller = vaults.begin_create_or_update(group, name, {"location": "westeurope", "properties": properties}, polling_interval=0.2)
        return {"first": poller.status(), "then": poller.result().properties.provisioning_state}

    step("late.new vault", create)
    grant(vaults.get(group, name).id, claims["oid"])
    with SecretClient(f"https://{name}.vault.azure.net", place.credential) as client:
        step("late.new grant", lambda: patiently(lambda: client.set_secret("one", "value").value))
        poller = client.begin_delete_secret("one", _polling_interval=0.2)
        step("late.deletion", lambda: [poller.done(), poller.wait(20), poller.done()])
    vaults.delete(group, name)

    def purge():
        poller = vaults.begin_purge_deleted(name, "westeurope", polling_interval=0.2)
        return [poller.done(), poller.result(), poller.done()]

    step("late.purge", purge)
    identities.delete(group, identity.name)


def patiently(do):
    """What refused, then what was answered."""
    refused = set()
    for _ in range(40):
        try:
            return {"refused": sorted(refused), "then": do()}
        except HttpResponseError as error:
            refused.add(error.error.code)
            time.sleep(0.2)
    return {"refused": sorted(refused)}
