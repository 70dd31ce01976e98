package main

import (
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
)

// User-assigned identities: create, read, list, update, delete.
func identities(p place) {
	client := must(armmsi.NewUserAssignedIdentitiesClient(p.subscription, p.credential, nil))
	name := "sdk-" + p.tag
	tags := func(made string) map[string]*string { return map[string]*string{"made": &made} }
	put := func(name, location string, tags map[string]*string) (armmsi.Identity, error) {
		answer, err := client.CreateOrUpdate(ctx, p.group, name, armmsi.Identity{Location: &location, Tags: tags}, nil)
		return answer.Identity, err
	}
	get := func(group string) (armmsi.Identity, error) {
		answer, err := client.Get(ctx, group, name, nil)
		return answer.Identity, err
	}
	told := func(identity armmsi.Identity, err error) (any, error) {
		if err != nil {
			return nil, err
		}
		return seen{
			"id": identity.ID, "name": identity.Name, "type": identity.Type, "location": identity.Location, "tags": identity.Tags,
			"tenant_id": identity.Properties.TenantID, "principal_id": identity.Properties.PrincipalID, "client_id": identity.Properties.ClientID,
		}, nil
	}
	listed := func() (any, error) {
		all, err := pages(client.NewListByResourceGroupPager(p.group, nil))
		var names []string
		for _, page := range all {
			for _, identity := range page.Value {
				names = append(names, *identity.Name)
			}
		}
		return named(name, names), err
	}

	step("identity.absent", func() (any, error) { return told(get(p.group)) })
	step("identity.create", func() (any, error) { return told(put(name, "West Europe", tags("by sdk"))) })
	first := must(get(p.group))
	step("identity.get", func() (any, error) { return told(get(strings.ToUpper(p.group))) })
	step("identity.create again", func() (any, error) {
		second, err := put(name, "West Europe", tags("again"))
		if err != nil {
			return nil, err
		}
		return seen{"same": *first.Properties.PrincipalID == *second.Properties.PrincipalID, "tags": second.Tags}, nil
	})
	step("identity.update", func() (any, error) {
		answer, err := client.Update(ctx, p.group, name, armmsi.IdentityUpdate{Tags: tags("new")}, nil)
		return told(answer.Identity, err)
	})
	for _, more := range []string{"-b", "-c", "-d"} {
		must(put(name+more, "West Europe", nil))
	}
	step("identity.list of group", listed)
	step("identity.list of subscription", func() (any, error) {
		all, err := pages(client.NewListBySubscriptionPager(nil))
		var names []string
		for _, page := range all {
			for _, identity := range page.Value {
				names = append(names, *identity.Name)
			}
		}
		return named(name, names), err
	})
	step("identity.elsewhere", func() (any, error) { return told(put(name, "northeurope", nil)) })
	step("identity.no group", func() (any, error) { return told(get("no-such-group")) })
	for _, more := range []string{"", "-b", "-c", "-d"} {
		step("identity.delete "+more, func() (any, error) { return nothing(client.Delete(ctx, p.group, name+more, nil)) })
	}
	step("identity.delete again", func() (any, error) { return nothing(client.Delete(ctx, p.group, name, nil)) })
	step("identity.gone", func() (any, error) { return told(get(p.group)) })
	step("identity.list after", listed)
}

// A new identity of the round's, and how to take it away.
func anIdentity(p place, more string) (principal string, remove func()) {
	client := must(armmsi.NewUserAssignedIdentitiesClient(p.subscription, p.credential, nil))
	name := "sdk-" + p.tag + more
	answer := must(client.CreateOrUpdate(ctx, p.group, name, armmsi.Identity{Location: to.Ptr("westeurope")}, nil))
	return *answer.Properties.PrincipalID, func() { must(client.Delete(ctx, p.group, name, nil)) }
}
