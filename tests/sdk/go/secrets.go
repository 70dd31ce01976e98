package main

import (
	"bytes"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

var when = time.Date(2035, 1, 2, 3, 4, 5, 0, time.UTC)

// Secrets of a vault: set, get, versions, list, update, delete, recover, purge.
func secrets(p place) {
	all := p.policy("get", "list", "set", "delete", "recover", "backup", "restore", "purge")
	inVault(p, p.wish(false, all), func(client *azsecrets.Client) {
		reading(client)
		deleting(client)
		listing(client)
	})
	// who made it may not yet read it
	inVault(p, p.wish(true), func(closed *azsecrets.Client) {
		step("secret.no role", func() (any, error) { return get(closed, "one", "") })
		step("secret.no role to list", func() (any, error) {
			return nothing(pages(closed.NewListSecretPropertiesPager(nil)))
		})
	})
	none := p.wish(false)
	none.Properties.AccessPolicies = []*armkeyvault.AccessPolicyEntry{}
	inVault(p, none, func(closed *azsecrets.Client) {
		step("secret.no policy", func() (any, error) { return get(closed, "one", "") })
	})
}

// A client of a new vault that is purged after.
func inVault(p place, wish armkeyvault.VaultCreateOrUpdateParameters, do func(*azsecrets.Client)) {
	vaults := must(armkeyvault.NewVaultsClient(p.subscription, p.credential, nil))
	name := "kv-" + p.tag + "-s"
	must(create(vaults, p, name, wish))
	do(must(azsecrets.NewClient("https://"+name+".vault.azure.net", p.credential, nil)))
	must(vaults.Delete(ctx, p.group, name, nil))
	must(purge(vaults, name))
}

func attributes(id *azsecrets.ID, kind *string, tags map[string]*string, of *azsecrets.SecretAttributes) seen {
	told := seen{
		"id": id, "name": id.Name(), "version": id.Version(), "content_type": kind, "tags": tags, "enabled": of.Enabled, "expires_on": nil,
		"recovery_level": of.RecoveryLevel, "recoverable_days": of.RecoverableDays, "dated": of.Created != nil && of.Updated != nil,
	}
	if of.Expires != nil {
		told["expires_on"] = strings.Replace(of.Expires.UTC().Format(time.RFC3339), "Z", "+00:00", 1)
	}
	return told
}

func aSecret(secret azsecrets.Secret, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	told := attributes(secret.ID, secret.ContentType, secret.Tags, secret.Attributes)
	if secret.Value != nil {
		told["value"] = secret.Value
	}
	return told, nil
}

func get(client *azsecrets.Client, name, version string) (any, error) {
	answer, err := client.GetSecret(ctx, name, version, nil)
	return aSecret(answer.Secret, err)
}

func set(client *azsecrets.Client, name string, wish azsecrets.SetSecretParameters) (any, error) {
	answer, err := client.SetSecret(ctx, name, wish, nil)
	return aSecret(answer.Secret, err)
}

func reading(client *azsecrets.Client) {
	tags := func(made string) map[string]*string { return map[string]*string{"made": &made} }
	step("secret.absent", func() (any, error) { return get(client, "one", "") })
	step("secret.bad name", func() (any, error) { return set(client, "no_good", azsecrets.SetSecretParameters{Value: to.Ptr("x")}) })
	step("secret.set", func() (any, error) {
		return set(client, "one", azsecrets.SetSecretParameters{Value: to.Ptr("first"), ContentType: to.Ptr("text/plain"), Tags: tags("by sdk")})
	})
	first := must(client.GetSecret(ctx, "one", "", nil)).ID.Version()
	step("secret.set again", func() (any, error) { return set(client, "one", azsecrets.SetSecretParameters{Value: to.Ptr("second")}) })
	step("secret.get", func() (any, error) { return get(client, "one", "") })
	step("secret.get version", func() (any, error) { return get(client, "one", first) })
	step("secret.get unknown version", func() (any, error) { return get(client, "one", strings.Repeat("0", 32)) })

	update := func(name string, wish azsecrets.UpdateSecretPropertiesParameters) {
		step(name, func() (any, error) {
			answer, err := client.UpdateSecretProperties(ctx, "one", "", wish, nil)
			return aSecret(answer.Secret, err)
		})
	}
	update("secret.update", azsecrets.UpdateSecretPropertiesParameters{
		ContentType: to.Ptr("text/html"), Tags: tags("new"), SecretAttributes: &azsecrets.SecretAttributes{Expires: &when},
	})
	update("secret.update of tags alone", azsecrets.UpdateSecretPropertiesParameters{Tags: map[string]*string{}})
	update("secret.disable", azsecrets.UpdateSecretPropertiesParameters{SecretAttributes: &azsecrets.SecretAttributes{Enabled: to.Ptr(false)}})
	step("secret.get disabled", func() (any, error) { return get(client, "one", "") })
	update("secret.enable", azsecrets.UpdateSecretPropertiesParameters{SecretAttributes: &azsecrets.SecretAttributes{Enabled: to.Ptr(true)}})
	step("secret.versions", func() (any, error) { return versions(client, "one") })
	step("secret.versions of nothing", func() (any, error) { return versions(client, "none") })
}

func versions(client *azsecrets.Client, name string) (any, error) {
	all, err := pages(client.NewListSecretPropertiesVersionsPager(name, nil))
	count := 0
	for _, page := range all {
		count += len(page.Value)
	}
	return count, err
}

// Done when it can be read where it is to be: the SDK for Go leaves that to the caller.
func until(read func() error) bool {
	for range 100 {
		if read() == nil {
			return true
		}
		time.Sleep(200 * time.Millisecond)
	}
	return false
}

// No error as soon as the one secret is among the deleted.
func deleted(client *azsecrets.Client) func() error {
	return func() error {
		_, err := client.GetDeletedSecret(ctx, "one", nil)
		return err
	}
}

func deleting(client *azsecrets.Client) {
	told := func(name string, id *azsecrets.ID, recovery *string, deleted, purged *time.Time) seen {
		return seen{"name": name, "id": id, "recovery": recovery, "days": int(purged.Sub(*deleted).Hours() / 24)}
	}
	gone := func() (any, error) {
		answer, err := client.GetDeletedSecret(ctx, "one", nil)
		if err != nil {
			return nil, err
		}
		return told(answer.ID.Name(), answer.ID, answer.RecoveryID, answer.DeletedDate, answer.ScheduledPurgeDate), nil
	}
	isDeleted := deleted(client)
	step("secret.delete", func() (any, error) {
		answer, err := client.DeleteSecret(ctx, "one", nil)
		if err != nil {
			return nil, err
		}
		seen := told(answer.ID.Name(), answer.ID, answer.RecoveryID, answer.DeletedDate, answer.ScheduledPurgeDate)
		seen["done"] = until(isDeleted)
		return seen, nil
	})
	step("secret.gone", func() (any, error) { return get(client, "one", "") })
	step("secret.deleted", gone)
	step("secret.list of deleted", func() (any, error) {
		all, err := pages(client.NewListDeletedSecretPropertiesPager(nil))
		names := []string{}
		for _, page := range all {
			for _, secret := range page.Value {
				names = append(names, secret.ID.Name())
			}
		}
		return names, err
	})
	step("secret.set while deleted", func() (any, error) { return set(client, "one", azsecrets.SetSecretParameters{Value: to.Ptr("third")}) })
	step("secret.recover", func() (any, error) {
		answer, err := client.RecoverDeletedSecret(ctx, "one", nil)
		if err != nil {
			return nil, err
		}
		told := attributes(answer.ID, answer.ContentType, answer.Tags, answer.Attributes)
		told["done"] = until(func() error {
			_, err := client.GetSecret(ctx, "one", "", nil)
			return err
		})
		return told, nil
	})
	step("secret.get recovered", func() (any, error) { return get(client, "one", "") })
	must(client.DeleteSecret(ctx, "one", nil))
	until(isDeleted)
	step("secret.purge", func() (any, error) { return nothing(client.PurgeDeletedSecret(ctx, "one", nil)) })
	step("secret.purged", gone)
	step("secret.recover of nothing", func() (any, error) { return nothing(client.RecoverDeletedSecret(ctx, "one", nil)) })
}

func listing(client *azsecrets.Client) {
	for number := range 30 {
		must(client.SetSecret(ctx, "many-"+string(rune('0'+number/10))+string(rune('0'+number%10)), azsecrets.SetSecretParameters{Value: to.Ptr("x")}, nil))
	}
	all := must(pages(client.NewListSecretPropertiesPager(nil)))
	sizes, names := []int{}, map[string]bool{}
	for _, page := range all {
		sizes = append(sizes, len(page.Value))
		for _, secret := range page.Value {
			names[secret.ID.Name()] = true
		}
	}
	step("secret.list", func() (any, error) { return sizes, nil })
	step("secret.list is whole", func() (any, error) { return len(names), nil })
}

// A backup of a secret with all its versions: taken, and restored where there is none of that name.
func backup(p place) {
	all := p.policy("get", "list", "set", "delete", "backup", "restore", "purge")
	inVault(p, p.wish(false, all), func(client *azsecrets.Client) {
		tags := map[string]*string{"made": to.Ptr("by sdk")}
		must(client.SetSecret(ctx, "one", azsecrets.SetSecretParameters{Value: to.Ptr("first"), Tags: tags}, nil))
		version := must(client.SetSecret(ctx, "one", azsecrets.SetSecretParameters{Value: to.Ptr("second")}, nil)).ID.Version()
		kept := must(client.BackupSecret(ctx, "one", nil)).Value
		restore := func(name string, from []byte) {
			step(name, func() (any, error) {
				answer, err := client.RestoreSecret(ctx, azsecrets.RestoreSecretParameters{SecretBackup: from}, nil)
				return aSecret(answer.Secret, err)
			})
		}
		step("backup", func() (any, error) {
			return seen{"bytes": len(kept) > 0, "open": bytes.Contains(kept, []byte("second"))}, nil
		})
		step("backup.of nothing", func() (any, error) { return nothing(client.BackupSecret(ctx, "none", nil)) })
		restore("backup.restore over one", kept)
		must(client.DeleteSecret(ctx, "one", nil))
		until(deleted(client))
		must(client.PurgeDeletedSecret(ctx, "one", nil))
		restore("backup.restore", kept)
		step("backup.restored", func() (any, error) { return get(client, "one", version) })
		step("backup.versions", func() (any, error) { return versions(client, "one") })
		restore("backup.nonsense", []byte("nonsense"))
	})
}
