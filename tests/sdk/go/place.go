package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

const arm = "https://management.azure.com/.default"

var ctx = context.Background()

// The poller looks again after this, where Azure does not say; the SDK takes no less.
var soon = &runtime.PollUntilDoneOptions{Frequency: time.Second}

// Where a round takes place and as whom.
type place struct {
	credential               azcore.TokenCredential
	subscription, group, tag string
}

func (p place) scope() string {
	return fmt.Sprintf("/subscriptions/%s/resourceGroups/%s", p.subscription, p.group)
}

// Of the token that Azure Resource Manager gets.
func (p place) claims() map[string]any {
	token := must(p.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{arm}}))
	body := must(base64.RawURLEncoding.DecodeString(strings.Split(token.Token, ".")[1]))
	var claims map[string]any
	if err := json.Unmarshal(body, &claims); err != nil {
		panic(err)
	}
	return claims
}

type seen = map[string]any

// What a program that cannot go on does.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// Tells what `do` answers, or how Azure refused.
func step(name string, do func() (any, error)) {
	saw, err := do()
	if err != nil {
		saw = seen{"refused": refusal(err)}
	}
	line := must(json.Marshal(seen{"step": name, "saw": saw}))
	fmt.Fprintln(os.Stdout, string(line))
}

// By what a program tells errors apart: their status, their codes.
func refusal(err error) any {
	var response *azcore.ResponseError
	if !errors.As(err, &response) {
		return err.Error()
	}
	refused := seen{"status": response.StatusCode, "code": response.ErrorCode}
	body, _ := runtime.Payload(response.RawResponse)
	var document struct {
		Error struct {
			Inner struct {
				Code string `json:"code"`
			} `json:"innererror"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &document) == nil && document.Error.Inner.Code != "" {
		refused["inner"] = document.Error.Inner.Code
	}
	return refused
}

// The pages of a list.
func pages[T any](pager *runtime.Pager[T]) ([]T, error) {
	var all []T
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, page)
	}
	return all, nil
}

// Those that begin so, sorted.
func named(prefix string, names []string) []string {
	ours := []string{}
	for _, name := range names {
		if strings.HasPrefix(name, prefix) {
			ours = append(ours, name)
		}
	}
	sort.Strings(ours)
	return ours
}

// Nothing to tell but that it went well.
func nothing[T any](_ T, err error) (any, error) {
	return nil, err
}
