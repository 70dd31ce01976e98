"""Key vaults at the control plane: create, read, list, update, access policies, delete, recover, purge."""

from azure.mgmt.keyvault import KeyVaultManagementClient
from place import names, pages, step

# the poller looks again after this many seconds, where Azure does not say
SOON = {"polling_interval": 1}


def run(place):
    vaults = KeyVaultManagementClient(place.credential, place.subscription).vaults
    group, name = place.group, f"kv-{place.tag}"
    claims = place.claims()

    def wish(**more):
        sku = {"family": "A", "name": "standard"}
        return {"location": "westeurope", "properties": {"tenantId": claims["tid"], "sku": sku, **more}}

    def create(name, **more):
        return vaults.begin_create_or_update(group, name, wish(**more), **SOON).result()

    def policy(*secrets):
        return {"tenantId": claims["tid"], "objectId": claims["oid"], "permissions": {"secrets": list(secrets)}}

    def ours(items):
        return names(item for item in items if item.name.startswith(name))

    step("vault.absent", lambda: told(vaults.get(group, name)))
    step("vault.name is free", lambda: free(vaults, name))
    step("vault.create", lambda: told(create(name, enableRbacAuthorization=False, accessPolicies=[policy("get", "list")])))
    step("vault.get", lambda: told(vaults.get(group, name)))
    step("vault.name is taken", lambda: free(vaults, name))
    step("vault.bad name", lambda: free(vaults, "no--good"))
    step("vault.update", lambda: told(vaults.update(group, name, {"tags": {"made": "by sdk"}})))

    def entry(kind, *secrets):
        answer = vaults.update_access_policy(group, name, kind, {"properties": {"accessPolicies": [policy(*secrets)]}})
        return {"id": answer.id, "type": answer.type, "policies": policies(answer.properties.access_policies)}

    step("vault.policy add", lambda: entry("add", "set", "delete"))
    step("vault.policy replace", lambda: entry("replace", "get"))
    step("vault.policy remove", lambda: entry("remove", "get"))
    step("vault.get without policies", lambda: told(vaults.get(group, name)))

    step("vault.create of roles", lambda: told(create(f"{name}-r", enableRbacAuthorization=True, softDeleteRetentionInDays=7)))
    create(f"{name}-b", enableRbacAuthorization=True)
    step("vault.list of group", lambda: ours(vaults.list_by_resource_group(group)))
    step("vault.list of subscription", lambda: ours(vaults.list_by_subscription()))
    step("vault.list by twos", lambda: largest(vaults.list_by_subscription(top=2)))
    step("vault.list of resources", lambda: ours(vaults.list()))

    step("vault.delete", lambda: vaults.delete(group, name))
    step("vault.gone", lambda: told(vaults.get(group, name)))
    step("vault.deleted", lambda: deleted(vaults.get_deleted(name, "westeurope")))
    step("vault.list of deleted", lambda: ours(vaults.list_deleted()))
    step("vault.create while deleted", lambda: told(create(name)))
    step("vault.recover", lambda: told(create(name, createMode="recover")))
    step("vault.get recovered", lambda: told(vaults.get(group, name)))
    for each in (name, f"{name}-b", f"{name}-r"):
        vaults.delete(group, each)
        step(f"vault.purge {each.removeprefix(name)}", lambda: vaults.begin_purge_deleted(each, "westeurope", **SOON).result())
    step("vault.purged", lambda: deleted(vaults.get_deleted(name, "westeurope")))
    step("vault.list after", lambda: ours(vaults.list_by_resource_group(group)))


def free(vaults, name):
    answer = vaults.check_name_availability({"name": name, "type": "Microsoft.KeyVault/vaults"})
    return {"free": answer.name_available, "reason": answer.reason}


def told(vault):
    p = vault.properties
    return {
        "id": vault.id,
        "name": vault.name,
        "type": vault.type,
        "location": vault.location,
        "tags": vault.tags,
        "uri": p.vault_uri.rstrip("/"),
        "sku": p.sku.name,
        "tenant": p.tenant_id,
        "state": p.provisioning_state,
        "roles": p.enable_rbac_authorization,
        "soft delete": p.enable_soft_delete,
        "days": p.soft_delete_retention_in_days,
        "policies": policies(p.access_policies),
    }


def policies(entries):
    return [sorted(secret.lower() for secret in entry.permissions.secrets or []) for entry in entries or []]


def largest(paged):
    """A list that is asked for by twos has no larger page, and more than one."""
    sizes = [len(page) for page in pages(paged)]
    return {"largest": max(sizes), "several": len(sizes) > 1}


def deleted(vault):
    p = vault.properties
    kept = (p.scheduled_purge_date - p.deletion_date).days
    return {"id": vault.id, "type": vault.type, "vault": p.vault_id, "location": p.location, "tags": p.tags, "days": kept}
