package main

import (
	"sort"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
)

// Federated credentials of an identity: create, read, list, update, delete.
func credentials(p place) {
	client := must(armmsi.NewFederatedIdentityCredentialsClient(p.subscription, p.credential, nil))
	identity := "sdk-" + p.tag + "-f"
	_, remove := anIdentity(p, "-f")
	put := func(name, subject string) (armmsi.FederatedIdentityCredential, error) {
		wish := armmsi.FederatedIdentityCredential{Properties: &armmsi.FederatedIdentityCredentialProperties{
			Issuer: to.Ptr("https://issuer.example/one/"), Subject: &subject, Audiences: []*string{to.Ptr("api://AzureADTokenExchange")},
		}}
		answer, err := client.CreateOrUpdate(ctx, p.group, identity, name, wish, nil)
		return answer.FederatedIdentityCredential, err
	}
	get := func() (armmsi.FederatedIdentityCredential, error) {
		answer, err := client.Get(ctx, p.group, identity, "one", nil)
		return answer.FederatedIdentityCredential, err
	}
	told := func(credential armmsi.FederatedIdentityCredential, err error) (any, error) {
		if err != nil {
			return nil, err
		}
		trust := credential.Properties
		return seen{
			"id": credential.ID, "name": credential.Name, "type": credential.Type,
			"issuer": trust.Issuer, "subject": trust.Subject, "audiences": trust.Audiences,
		}, nil
	}
	listed := func(top *int32) ([][]string, error) {
		options := &armmsi.FederatedIdentityCredentialsClientListOptions{Top: top}
		all, err := pages(client.NewListPager(p.group, identity, options))
		var pages [][]string
		for _, page := range all {
			var names []string
			for _, credential := range page.Value {
				names = append(names, *credential.Name)
			}
			sort.Strings(names)
			pages = append(pages, names)
		}
		return pages, err
	}
	whole := func() (any, error) {
		pages, err := listed(nil)
		names := []string{}
		for _, page := range pages {
			names = append(names, page...)
		}
		return names, err
	}

	step("federated.absent", func() (any, error) { return told(get()) })
	step("federated.create", func() (any, error) { return told(put("one", "system:serviceaccount:shop:cart")) })
	step("federated.get", func() (any, error) { return told(get()) })
	step("federated.update", func() (any, error) { return told(put("one", "system:serviceaccount:shop:till")) })
	step("federated.same subject", func() (any, error) { return told(put("two", "system:serviceaccount:shop:till")) })
	for _, more := range []string{"more-0", "more-1", "more-2"} {
		must(put(more, "system:serviceaccount:shop:"+more))
	}
	step("federated.list", whole)
	step("federated.list by twos", func() (any, error) { return listed(to.Ptr(int32(2))) })
	step("federated.delete", func() (any, error) { return nothing(client.Delete(ctx, p.group, identity, "one", nil)) })
	step("federated.delete again", func() (any, error) { return nothing(client.Delete(ctx, p.group, identity, "one", nil)) })
	step("federated.list after", whole)
	remove()
	step("federated.no identity", func() (any, error) { return told(put("one", "system:serviceaccount:shop:cart")) })
}
