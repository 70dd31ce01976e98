package main

import (
	"os"
	"regexp"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

const nobody = "11111111-2222-3333-4444-555555555555"

var says = regexp.MustCompile(`AADSTS\d+|Identity not found|Multiple user assigned identities|authority configuration`)

// Who the token says that one is, and logins that Entra or a node's metadata service refuses.
func login(p place) {
	step("login", func() (any, error) {
		claims, who := p.claims(), seen{}
		for _, name := range []string{"aud", "iss", "tid", "appid", "oid", "idtyp"} {
			who[name] = claims[name]
		}
		return who, nil
	})
	tenant, client := os.Getenv("AZURE_TENANT_ID"), os.Getenv("AZURE_CLIENT_ID")
	token := os.Getenv("AZURE_FEDERATED_TOKEN_FILE")
	refused := func(name string, credential azcore.TokenCredential, err error) {
		step("login."+name, func() (any, error) {
			if err == nil {
				_, err = credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{arm}})
			}
			if err == nil {
				return "a token", nil
			}
			if word := says.FindString(err.Error()); word != "" {
				return seen{"refused": seen{"says": word}}, nil
			}
			return seen{"refused": seen{"says": err.Error()}}, nil
		})
	}
	switch {
	case os.Getenv("AZURE_CLIENT_SECRET") != "":
		for _, wrong := range []struct{ name, tenant, client string }{
			{"wrong secret", tenant, client}, {"unknown client", tenant, nobody}, {"unknown tenant", nobody, client},
		} {
			credential, err := azidentity.NewClientSecretCredential(wrong.tenant, wrong.client, "wrong", nil)
			refused(wrong.name, credential, err)
		}
	case token != "":
		// a token of another service account is beside the right one
		other, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{TokenFilePath: token + ".other"})
		refused("wrong subject", other, err)
		other, err = azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{ClientID: nobody})
		refused("unknown client", other, err)
	default:
		other, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ClientID(nobody)})
		refused("not assigned", other, err)
		other, err = azidentity.NewManagedIdentityCredential(nil)
		refused("one of several", other, err)
	}
}
