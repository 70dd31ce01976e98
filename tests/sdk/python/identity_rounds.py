"""User-assigned identities: create, read, list, update, delete."""

from azure.mgmt.msi import ManagedServiceIdentityClient
from place import names, pages, step


def run(place):
    client = ManagedServiceIdentityClient(place.credential, place.subscription)
    identities, group = client.user_assigned_identities, place.group
    name = f"sdk-{place.tag}"

    def ours(paged):
        return [item for page in pages(paged) for item in page if item.name.startswith(name)]

    def put(name, tags):
        return identities.create_or_update(group, name, {"location": "West Europe", "tags": tags})

    step("identity.absent", lambda: identities.get(group, name))
    step("identity.create", lambda: shown(put(name, {"made": "by sdk"})))
    first = identities.get(group, name)
    step("identity.get", lambda: shown(identities.get(group.upper(), name)))
    step("identity.create again", lambda: same(first, put(name, {"made": "again"})))
    step("identity.update", lambda: shown(identities.update(group, name, {"tags": {"made": "new"}})))
    for more in "bcd":
        put(f"{name}-{more}", None)
    step("identity.list of group", lambda: names(ours(identities.list_by_resource_group(group))))
    step("identity.list of subscription", lambda: names(ours(identities.list_by_subscription())))
    step("identity.elsewhere", lambda: identities.create_or_update(group, name, {"location": "northeurope"}))
    step("identity.no group", lambda: identities.get("no-such-group", name))

    for more in ("", "-b", "-c", "-d"):
        step(f"identity.delete {more}", lambda: identities.delete(group, name + more))
    step("identity.delete again", lambda: identities.delete(group, name))
    step("identity.gone", lambda: identities.get(group, name))
    step("identity.list after", lambda: names(ours(identities.list_by_resource_group(group))))


def shown(identity):
    return {field: getattr(identity, field) for field in ("id", "name", "type", "location", "tags", "tenant_id", "principal_id", "client_id")}


def same(first, second):
    return {"same": first.principal_id == second.principal_id, "tags": second.tags}
