package main

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/google/uuid"
)

const reader = "acdd72a7-3385-48ef-bd42-f606fba81ae7"

// Role definitions and assignments: create, read, list, update, delete.
func roles(p place) {
	definitions(p)
	principal, remove := anIdentity(p, "-role")
	assignments(p, principal)
	remove()
}

func definitions(p place) {
	client := must(armauthorization.NewRoleDefinitionsClient(p.credential, nil))
	told := func(role armauthorization.RoleDefinition) any {
		var actions []*string
		for _, permission := range role.Properties.Permissions {
			actions = append(actions, permission.Actions...)
		}
		return seen{"id": role.ID, "name": role.Properties.RoleName, "type": role.Properties.RoleType, "scopes": role.Properties.AssignableScopes, "actions": actions}
	}
	get := func(name string) (any, error) {
		answer, err := client.Get(ctx, p.scope(), name, nil)
		if err != nil {
			return nil, err
		}
		return told(answer.RoleDefinition), nil
	}
	step("definition.by name", func() (any, error) {
		all, err := pages(client.NewListPager(p.scope(), &armauthorization.RoleDefinitionsClientListOptions{Filter: to.Ptr("roleName eq 'Reader'")}))
		var found []any
		for _, page := range all {
			for _, role := range page.Value {
				found = append(found, told(*role))
			}
		}
		return found, err
	})
	step("definition.get", func() (any, error) { return get(reader) })
	step("definition.by id", func() (any, error) {
		answer, err := client.GetByID(ctx, "/providers/Microsoft.Authorization/roleDefinitions/"+reader, nil)
		if err != nil {
			return nil, err
		}
		return told(answer.RoleDefinition), nil
	})
	step("definition.absent", func() (any, error) { return get(nobody) })
}

func assignments(p place, principal string) {
	client := must(armauthorization.NewRoleAssignmentsClient(p.subscription, p.credential, nil))
	scope, name := p.scope(), uuid.NewSHA1(uuid.NameSpaceURL, []byte(p.tag+"/one")).String()
	role := fmt.Sprintf("/subscriptions/%s/providers/Microsoft.Authorization/roleDefinitions/%s", p.subscription, reader)
	told := func(a armauthorization.RoleAssignment, err error) (any, error) {
		if err != nil || a.Properties == nil {
			return nil, err
		}
		of := a.Properties
		return seen{
			"id": a.ID, "name": a.Name, "type": a.Type, "scope": of.Scope, "role_definition_id": of.RoleDefinitionID, "principal_id": of.PrincipalID,
			"principal_type": of.PrincipalType, "description": of.Description, "created_by": of.CreatedBy,
		}, nil
	}
	put := func(name, principal, role string, description *string) (any, error) {
		wish := armauthorization.RoleAssignmentCreateParameters{Properties: &armauthorization.RoleAssignmentProperties{
			RoleDefinitionID: &role, PrincipalID: &principal, PrincipalType: to.Ptr(armauthorization.PrincipalTypeServicePrincipal), Description: description,
		}}
		answer, err := client.Create(ctx, scope, name, wish, nil)
		return told(answer.RoleAssignment, err)
	}
	get := func() (any, error) {
		answer, err := client.Get(ctx, scope, name, nil)
		return told(answer.RoleAssignment, err)
	}
	ours := func(all []*armauthorization.RoleAssignment) []bool {
		found := []bool{}
		for _, a := range all {
			if *a.Properties.PrincipalID == principal {
				found = append(found, *a.Name == name)
			}
		}
		return found
	}
	listed := func(filter string) (any, error) {
		// this SDK puts a filter into the URL as it is
		escaped := url.PathEscape(filter)
		return found(client.NewListForScopePager(scope, &armauthorization.RoleAssignmentsClientListForScopeOptions{Filter: &escaped}),
			func(page armauthorization.RoleAssignmentsClientListForScopeResponse) []bool { return ours(page.Value) })
	}
	remove := func() (any, error) {
		answer, err := client.Delete(ctx, scope, name, nil)
		return told(answer.RoleAssignment, err)
	}

	step("assignment.absent", get)
	step("assignment.create", func() (any, error) { return put(name, principal, role, nil) })
	step("assignment.get", get)
	step("assignment.update", func() (any, error) { return put(name, principal, role, to.Ptr("new words")) })
	step("assignment.exists", func() (any, error) { return put(uuid.NewString(), principal, role, nil) })
	step("assignment.other principal", func() (any, error) { return put(name, p.claims()["oid"].(string), role, nil) })
	step("assignment.unknown principal", func() (any, error) { return put(uuid.NewString(), nobody, role, nil) })
	step("assignment.unknown role", func() (any, error) {
		return put(uuid.NewString(), principal, strings.Replace(role, reader, nobody, 1), nil)
	})
	step("assignment.list at scope", func() (any, error) { return listed("atScope()") })
	step("assignment.list of principal", func() (any, error) { return listed(fmt.Sprintf("principalId eq '%s'", principal)) })
	step("assignment.list assigned to", func() (any, error) { return listed(fmt.Sprintf("assignedTo('%s')", principal)) })
	step("assignment.list of group", func() (any, error) {
		return found(client.NewListForResourceGroupPager(p.group, nil),
			func(page armauthorization.RoleAssignmentsClientListForResourceGroupResponse) []bool {
				return ours(page.Value)
			})
	})
	step("assignment.list of subscription", func() (any, error) {
		return found(client.NewListForSubscriptionPager(nil),
			func(page armauthorization.RoleAssignmentsClientListForSubscriptionResponse) []bool {
				return ours(page.Value)
			})
	})
	step("assignment.delete", remove)
	step("assignment.delete again", remove)
	step("assignment.gone", get)
}

func found[T any](pager *runtime.Pager[T], ours func(T) []bool) (any, error) {
	all, err := pages(pager)
	found := []bool{}
	for _, page := range all {
		found = append(found, ours(page)...)
	}
	return found, err
}
