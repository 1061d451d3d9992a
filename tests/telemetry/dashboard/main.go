// Reads a Grafana dashboard by Grafana's own types, and says which fields they don't know, lack or refuse.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	plugins.RegisterDefaultPlugins()
	content, err := io.ReadAll(os.Stdin)
	end(err)
	board := dashboard.Dashboard{}
	end(board.UnmarshalJSONStrict(content))
	end(board.Validate())
}

// The types give a list of errors as an error even when it is empty.
func end(err error) {
	if err != nil && err.Error() != "" {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
