"""Secrets of a vault: set, get, versions, list, update, delete, recover, purge."""

from contextlib import contextmanager
from datetime import datetime, timezone

from azure.keyvault.secrets import SecretClient
from azure.mgmt.keyvault import KeyVaultManagementClient
from place import names, pages, step

ALL = ["get", "list", "set", "delete", "recover", "backup", "restore", "purge"]
WHEN = datetime(2035, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
SOON = {"polling_interval": 1}
KEY_VAULT_SOON = {"_polling_interval": 0.2}


def run(place):
    name = f"kv-{place.tag}-s"
    with vault_of(place, name, enableRbacAuthorization=False, accessPolicies=[policy(place)]) as client:
        reading(client)
        deleting(client)
        listing(client)
    # who made it may not yet read it
    with vault_of(place, name, enableRbacAuthorization=True) as closed:
        step("secret.no role", lambda: told(closed.get_secret("one")))
        step("secret.no role to list", lambda: names(closed.list_properties_of_secrets()))
    with vault_of(place, name, enableRbacAuthorization=False, accessPolicies=[]) as closed:
        step("secret.no policy", lambda: told(closed.get_secret("one")))


def backup(place):
    with vault_of(place, f"kv-{place.tag}-s", enableRbacAuthorization=False, accessPolicies=[policy(place)]) as client:
        backing_up(client)


def policy(place):
    claims = place.claims()
    return {"tenantId": claims["tid"], "objectId": claims["oid"], "permissions": {"secrets": ALL}}


@contextmanager
def vault_of(place, name, **access):
    """A client of a new vault that is purged after."""
    vaults = KeyVaultManagementClient(place.credential, place.subscription).vaults
    properties = {"tenantId": place.claims()["tid"], "sku": {"family": "A", "name": "standard"}, **access}
    vaults.begin_create_or_update(place.group, name, {"location": "westeurope", "properties": properties}, **SOON).result()
    with SecretClient(f"https://{name}.vault.azure.net", place.credential) as client:
        yield client
    vaults.delete(place.group, name)
    vaults.begin_purge_deleted(name, "westeurope", **SOON).result()


def attributes(properties):
    fields = ("id", "name", "version", "content_type", "tags", "enabled", "expires_on", "recovery_level", "recoverable_days")
    seen = {field: getattr(properties, field) for field in fields}
    if seen["expires_on"]:
        seen["expires_on"] = seen["expires_on"].isoformat()
    seen["dated"] = properties.created_on is not None and properties.updated_on is not None
    return seen


def told(secret):
    return {"value": secret.value, **attributes(secret.properties)}


def reading(client):
    step("secret.absent", lambda: told(client.get_secret("one")))
    step("secret.bad name", lambda: told(client.set_secret("no_good", "x")))
    step("secret.set", lambda: told(client.set_secret("one", "first", content_type="text/plain", tags={"made": "by sdk"})))
    first = client.get_secret("one").properties.version
    step("secret.set again", lambda: told(client.set_secret("one", "second")))
    step("secret.get", lambda: told(client.get_secret("one")))
    step("secret.get version", lambda: told(client.get_secret("one", first)))
    step("secret.get unknown version", lambda: told(client.get_secret("one", "0" * 32)))

    def update(**more):
        return attributes(client.update_secret_properties("one", **more))

    step("secret.update", lambda: update(content_type="text/html", tags={"made": "new"}, expires_on=WHEN))
    step("secret.update of tags alone", lambda: update(tags={}))
    step("secret.disable", lambda: update(enabled=False))
    step("secret.get disabled", lambda: told(client.get_secret("one")))
    step("secret.enable", lambda: update(enabled=True))
    step("secret.versions", lambda: len(list(client.list_properties_of_secret_versions("one"))))
    step("secret.versions of nothing", lambda: len(list(client.list_properties_of_secret_versions("none"))))


def deleting(client):
    def delete():
        poller = client.begin_delete_secret("one", **KEY_VAULT_SOON)
        poller.wait(20)
        deleted = poller.result()
        return {"done": poller.done(), **gone(deleted)}

    step("secret.delete", delete)
    step("secret.gone", lambda: told(client.get_secret("one")))
    step("secret.deleted", lambda: gone(client.get_deleted_secret("one")))
    step("secret.list of deleted", lambda: names(client.list_deleted_secrets()))
    step("secret.set while deleted", lambda: told(client.set_secret("one", "third")))

    def recover():
        poller = client.begin_recover_deleted_secret("one", **KEY_VAULT_SOON)
        poller.wait(20)
        return {"done": poller.done(), **attributes(poller.result())}

    step("secret.recover", recover)
    step("secret.get recovered", lambda: told(client.get_secret("one")))
    client.begin_delete_secret("one", **KEY_VAULT_SOON).wait(20)
    step("secret.purge", lambda: client.purge_deleted_secret("one"))
    step("secret.purged", lambda: gone(client.get_deleted_secret("one")))
    step("secret.recover of nothing", lambda: client.begin_recover_deleted_secret("one"))


def gone(deleted):
    kept = (deleted.scheduled_purge_date - deleted.deleted_date).days
    return {"name": deleted.name, "id": deleted.id, "recovery": deleted.recovery_id, "days": kept}


def listing(client):
    for number in range(30):
        client.set_secret(f"many-{number:02}", "x")
    step("secret.list", lambda: [len(page) for page in pages(client.list_properties_of_secrets())])
    step("secret.list is whole", lambda: len(set(names(client.list_properties_of_secrets()))))
    step("secret.list by tens", lambda: [len(page) for page in pages(client.list_properties_of_secrets(max_page_size=10))])


def backing_up(client):
    client.set_secret("one", "first", tags={"made": "by sdk"})
    version = client.set_secret("one", "second").properties.version
    kept = client.backup_secret("one")
    step("backup", lambda: {"bytes": len(kept) > 0, "open": b"second" in kept})
    step("backup.of nothing", lambda: len(client.backup_secret("none")))
    step("backup.restore over one", lambda: attributes(client.restore_secret_backup(kept)))
    client.begin_delete_secret("one", **KEY_VAULT_SOON).wait(20)
    client.purge_deleted_secret("one")
    step("backup.restore", lambda: attributes(client.restore_secret_backup(kept)))
    step("backup.restored", lambda: told(client.get_secret("one", version)))
    step("backup.versions", lambda: len(list(client.list_properties_of_secret_versions("one"))))
    step("backup.nonsense", lambda: attributes(client.restore_secret_backup(b"nonsense")))
