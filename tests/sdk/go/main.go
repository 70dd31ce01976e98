// The rounds of an application that uses the Azure SDK for Go: rounds CREDENTIAL TAG GROUP [ROUND...].
//
// Knows of no sandbox: the SDK finds Azure by its environment. CREDENTIAL is secret, federated or managed; TAG is in the name of all that is
// made, so that many can share a subscription. Prints one JSON line a step, {"step", "saw"}; what is seen is for the reader to judge. The
// steps are those of the rounds in Python.
package main

import (
	"fmt"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

var rounds = map[string]func(place){
	"login":       login,
	"identities":  identities,
	"roles":       roles,
	"vaults":      vaults,
	"secrets":     secrets,
	"backup":      backup,
	"credentials": credentials,
}

func credential(kind string) (azcore.TokenCredential, error) {
	switch kind {
	case "secret":
		return azidentity.NewClientSecretCredential(os.Getenv("AZURE_TENANT_ID"), os.Getenv("AZURE_CLIENT_ID"), os.Getenv("AZURE_CLIENT_SECRET"), nil)
	case "federated":
		return azidentity.NewWorkloadIdentityCredential(nil)
	case "managed":
		return azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ClientID(os.Getenv("AZURE_CLIENT_ID"))})
	}
	return nil, fmt.Errorf("no such credential: %s", kind)
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: rounds CREDENTIAL TAG GROUP [ROUND...]")
		os.Exit(2)
	}
	credential := must(credential(os.Args[1]))
	here := place{credential: credential, subscription: os.Getenv("AZURE_SUBSCRIPTION_ID"), tag: os.Args[2], group: os.Args[3]}
	for _, name := range os.Args[4:] {
		run, known := rounds[name]
		if !known {
			fmt.Fprintf(os.Stderr, "no such round: %s\n", name)
			os.Exit(2)
		}
		run(here)
	}
}
