package main

import (
	"sort"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"
)

const region = "westeurope"

// What a vault of the rounds is made with.
func (p place) wish(roles bool, policies ...*armkeyvault.AccessPolicyEntry) armkeyvault.VaultCreateOrUpdateParameters {
	tenant := p.claims()["tid"].(string)
	return armkeyvault.VaultCreateOrUpdateParameters{Location: to.Ptr(region), Properties: &armkeyvault.VaultProperties{
		TenantID: &tenant, EnableRbacAuthorization: &roles, AccessPolicies: policies,
		SKU: &armkeyvault.SKU{Family: to.Ptr(armkeyvault.SKUFamilyA), Name: to.Ptr(armkeyvault.SKUNameStandard)},
	}}
}

// Of the caller's own.
func (p place) policy(secrets ...armkeyvault.SecretPermissions) *armkeyvault.AccessPolicyEntry {
	claims := p.claims()
	var words []*armkeyvault.SecretPermissions
	for _, word := range secrets {
		words = append(words, &word)
	}
	tenant, object := claims["tid"].(string), claims["oid"].(string)
	return &armkeyvault.AccessPolicyEntry{TenantID: &tenant, ObjectID: &object, Permissions: &armkeyvault.Permissions{Secrets: words}}
}

func create(client *armkeyvault.VaultsClient, p place, name string, wish armkeyvault.VaultCreateOrUpdateParameters) (armkeyvault.Vault, error) {
	poller, err := client.BeginCreateOrUpdate(ctx, p.group, name, wish, nil)
	if err != nil {
		return armkeyvault.Vault{}, err
	}
	answer, err := poller.PollUntilDone(ctx, soon)
	return answer.Vault, err
}

func purge(client *armkeyvault.VaultsClient, name string) (any, error) {
	poller, err := client.BeginPurgeDeleted(ctx, name, region, nil)
	if err != nil {
		return nil, err
	}
	return nothing(poller.PollUntilDone(ctx, soon))
}

// Key vaults at the control plane: create, read, list, update, access policies, delete, recover, purge.
func vaults(p place) {
	client := must(armkeyvault.NewVaultsClient(p.subscription, p.credential, nil))
	name := "kv-" + p.tag
	get := func() (any, error) {
		answer, err := client.Get(ctx, p.group, name, nil)
		return aVault(answer.Vault, err)
	}
	made := func(name string, wish armkeyvault.VaultCreateOrUpdateParameters) func() (any, error) {
		return func() (any, error) { return aVault(create(client, p, name, wish)) }
	}
	free := func(name string) (any, error) {
		answer, err := client.CheckNameAvailability(ctx, armkeyvault.VaultCheckNameAvailabilityParameters{Name: &name, Type: to.Ptr("Microsoft.KeyVault/vaults")}, nil)
		return seen{"free": answer.NameAvailable, "reason": answer.Reason}, err
	}
	inGroup := func() (any, error) {
		all, err := pages(client.NewListByResourceGroupPager(p.group, nil))
		var names []string
		for _, page := range all {
			names = append(names, vaultNames(page.Value)...)
		}
		return named(name, names), err
	}

	step("vault.absent", get)
	step("vault.name is free", func() (any, error) { return free(name) })
	step("vault.create", made(name, p.wish(false, p.policy("get", "list"))))
	step("vault.get", get)
	step("vault.name is taken", func() (any, error) { return free(name) })
	step("vault.bad name", func() (any, error) { return free("no--good") })
	step("vault.update", func() (any, error) {
		tags := map[string]*string{"made": to.Ptr("by sdk")}
		answer, err := client.Update(ctx, p.group, name, armkeyvault.VaultPatchParameters{Tags: tags}, nil)
		return aVault(answer.Vault, err)
	})
	entry := func(kind armkeyvault.AccessPolicyUpdateKind, secrets ...armkeyvault.SecretPermissions) func() (any, error) {
		return func() (any, error) {
			wish := armkeyvault.VaultAccessPolicyParameters{Properties: &armkeyvault.VaultAccessPolicyProperties{
				AccessPolicies: []*armkeyvault.AccessPolicyEntry{p.policy(secrets...)},
			}}
			answer, err := client.UpdateAccessPolicy(ctx, p.group, name, kind, wish, nil)
			if err != nil {
				return nil, err
			}
			return seen{"id": answer.ID, "type": answer.Type, "policies": policies(answer.Properties.AccessPolicies)}, nil
		}
	}
	step("vault.policy add", entry(armkeyvault.AccessPolicyUpdateKindAdd, "set", "delete"))
	step("vault.policy replace", entry(armkeyvault.AccessPolicyUpdateKindReplace, "get"))
	step("vault.policy remove", entry(armkeyvault.AccessPolicyUpdateKindRemove, "get"))
	step("vault.get without policies", get)

	week := p.wish(true)
	week.Properties.SoftDeleteRetentionInDays = to.Ptr(int32(7))
	step("vault.create of roles", made(name+"-r", week))
	must(create(client, p, name+"-b", p.wish(true)))
	step("vault.list of group", inGroup)
	step("vault.list of subscription", func() (any, error) {
		all, err := pages(client.NewListBySubscriptionPager(nil))
		var names []string
		for _, page := range all {
			names = append(names, vaultNames(page.Value)...)
		}
		return named(name, names), err
	})
	step("vault.list by twos", func() (any, error) {
		all, err := pages(client.NewListBySubscriptionPager(&armkeyvault.VaultsClientListBySubscriptionOptions{Top: to.Ptr(int32(2))}))
		largest := 0
		for _, page := range all {
			largest = max(largest, len(page.Value))
		}
		return seen{"largest": largest, "several": len(all) > 1}, err
	})
	step("vault.list of resources", func() (any, error) {
		all, err := pages(client.NewListPager(nil))
		var names []string
		for _, page := range all {
			for _, resource := range page.Value {
				names = append(names, *resource.Name)
			}
		}
		return named(name, names), err
	})

	step("vault.delete", func() (any, error) { return nothing(client.Delete(ctx, p.group, name, nil)) })
	step("vault.gone", get)
	deleted := func() (any, error) {
		answer, err := client.GetDeleted(ctx, name, region, nil)
		if err != nil {
			return nil, err
		}
		of := answer.Properties
		kept := int(of.ScheduledPurgeDate.Sub(*of.DeletionDate).Hours() / 24)
		return seen{"id": answer.ID, "type": answer.Type, "vault": of.VaultID, "location": of.Location, "tags": of.Tags, "days": kept}, nil
	}
	step("vault.deleted", deleted)
	step("vault.list of deleted", func() (any, error) {
		all, err := pages(client.NewListDeletedPager(nil))
		var names []string
		for _, page := range all {
			for _, vault := range page.Value {
				names = append(names, *vault.Name)
			}
		}
		return named(name, names), err
	})
	step("vault.create while deleted", made(name, p.wish(false)))
	recover := p.wish(false)
	recover.Properties.CreateMode = to.Ptr(armkeyvault.CreateModeRecover)
	recover.Properties.EnableRbacAuthorization = nil
	step("vault.recover", made(name, recover))
	step("vault.get recovered", get)
	for _, more := range []string{"", "-b", "-r"} {
		must(client.Delete(ctx, p.group, name+more, nil))
		step("vault.purge "+more, func() (any, error) { return purge(client, name+more) })
	}
	step("vault.purged", deleted)
	step("vault.list after", inGroup)
}

func aVault(vault armkeyvault.Vault, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	of := vault.Properties
	return seen{
		"id": vault.ID, "name": vault.Name, "type": vault.Type, "location": vault.Location, "tags": vault.Tags, "uri": strings.TrimSuffix(*of.VaultURI, "/"),
		"sku": of.SKU.Name, "tenant": of.TenantID, "state": of.ProvisioningState, "roles": of.EnableRbacAuthorization,
		"soft delete": of.EnableSoftDelete, "days": of.SoftDeleteRetentionInDays, "policies": policies(of.AccessPolicies),
	}, nil
}

func policies(entries []*armkeyvault.AccessPolicyEntry) [][]string {
	all := [][]string{}
	for _, entry := range entries {
		words := []string{}
		for _, word := range entry.Permissions.Secrets {
			words = append(words, strings.ToLower(string(*word)))
		}
		sort.Strings(words)
		all = append(all, words)
	}
	return all
}

func vaultNames(vaults []*armkeyvault.Vault) []string {
	var names []string
	for _, vault := range vaults {
		names = append(names, *vault.Name)
	}
	return names
}
