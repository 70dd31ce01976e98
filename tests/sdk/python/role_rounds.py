"""Role definitions and assignments: create, read, list, update, delete."""

import uuid

from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.msi import ManagedServiceIdentityClient
from place import step

READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
NOBODY = "11111111-2222-3333-4444-555555555555"


def run(place):
    client = AuthorizationManagementClient(place.credential, place.subscription)
    definitions(client.role_definitions, place)
    identities = ManagedServiceIdentityClient(place.credential, place.subscription).user_assigned_identities
    name = f"sdk-{place.tag}-role"
    identity = identities.create_or_update(place.group, name, {"location": "westeurope"})
    assignments(client.role_assignments, place, identity.principal_id)
    identities.delete(place.group, name)


def definitions(definitions, place):
    def told(role):
        actions = [action for permission in role.permissions for action in permission.actions]
        return {"id": role.id, "name": role.role_name, "type": role.role_type, "scopes": role.assignable_scopes, "actions": actions}

    scope = place.scope()
    step("definition.by name", lambda: [told(role) for role in definitions.list(scope, filter="roleName eq 'Reader'")])
    step("definition.get", lambda: told(definitions.get(scope, READER)))
    step("definition.by id", lambda: told(definitions.get_by_id(f"/providers/Microsoft.Authorization/roleDefinitions/{READER}")))
    step("definition.absent", lambda: told(definitions.get(scope, NOBODY)))


def assignments(assignments, place, principal):
    scope, tag = place.scope(), place.tag
    name = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{tag}/one"))
    role = f"/subscriptions/{place.subscription}/providers/Microsoft.Authorization/roleDefinitions/{READER}"

    def put(name, principal, description=None, role=role):
        wish = {"role_definition_id": role, "principal_id": principal, "principal_type": "ServicePrincipal", "description": description}
        return assignments.create(scope, name, wish)

    def told(assignment):
        fields = ("id", "name", "type", "scope", "role_definition_id", "principal_id", "principal_type", "description", "created_by")
        return {field: getattr(assignment, field) for field in fields}

    def found(paged):
        return sorted(a.name == name for a in paged if a.principal_id == principal)

    step("assignment.absent", lambda: assignments.get(scope, name))
    step("assignment.create", lambda: told(put(name, principal)))
    step("assignment.get", lambda: told(assignments.get(scope, name)))
    step("assignment.update", lambda: told(put(name, principal, "new words")))
    step("assignment.exists", lambda: put(str(uuid.uuid4()), principal))
    step("assignment.other principal", lambda: put(name, place.claims()["oid"]))
    step("assignment.unknown principal", lambda: put(str(uuid.uuid4()), NOBODY))
    step("assignment.unknown role", lambda: put(str(uuid.uuid4()), principal, role=role.replace(READER, NOBODY)))
    step("assignment.list at scope", lambda: found(assignments.list_for_scope(scope, filter="atScope()")))
    step("assignment.list of principal", lambda: found(assignments.list_for_scope(scope, filter=f"principalId eq '{principal}'")))
    step("assignment.list assigned to", lambda: found(assignments.list_for_scope(scope, filter=f"assignedTo('{principal}')")))
    step("assignment.list of group", lambda: found(assignments.list_for_resource_group(place.group)))
    step("assignment.list of subscription", lambda: found(assignments.list_for_subscription()))
    step("assignment.delete", lambda: told(assignments.delete(scope, name)))
    step("assignment.delete again", lambda: assignments.delete(scope, name))
    step("assignment.gone", lambda: assignments.get(scope, name))
