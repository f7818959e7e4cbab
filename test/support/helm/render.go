// Renders a chart as `helm template` does, with the functions and objects that Omoi's chart uses:
//
//	render RELEASE CHART NAMESPACE VALUES
//
// VALUES is a file whose values win over those of the chart. It needs Debian's golang-go,
// golang-github-masterminds-sprig-dev and golang-k8s-sigs-yaml-dev, and no module:
// GO111MODULE=off GOPATH=/usr/share/gocode go run render.go …
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) != 5 {
		fail(errors.New("usage: render RELEASE CHART NAMESPACE VALUES"))
	}
	release, chart, namespace := os.Args[1], os.Args[2], os.Args[3]
	values := merge(read(filepath.Join(chart, "values.yaml")), read(os.Args[4]))
	meta := map[string]interface{}{}
	// Templates have the fields of the Go type, which begin with a capital letter.
	for key, value := range read(filepath.Join(chart, "Chart.yaml")) {
		meta[strings.ToUpper(key[:1])+key[1:]] = value
	}
	data := map[string]interface{}{
		"Values": values,
		"Chart":  meta,
		"Release": map[string]interface{}{
			"Name": release, "Namespace": namespace, "Service": "Helm",
			"IsInstall": true, "IsUpgrade": false, "Revision": 1,
		},
	}

	all := template.New("chart").Option("missingkey=zero")
	all.Funcs(sprig.TxtFuncMap()).Funcs(template.FuncMap{
		"toYaml": func(value interface{}) (string, error) {
			text, err := yaml.Marshal(value)
			return strings.TrimSuffix(string(text), "\n"), err
		},
		"required": func(message string, value interface{}) (interface{}, error) {
			if value == nil || value == "" {
				return nil, errors.New(message)
			}
			return value, nil
		},
		"include": func(name string, data interface{}) (string, error) {
			return execute(all.Lookup(name), data)
		},
		"tpl": func(text string, data interface{}) (string, error) {
			copied, err := all.Clone()
			if err != nil {
				return "", err
			}
			parsed, err := copied.New("tpl").Parse(text)
			if err != nil {
				return "", err
			}
			return execute(parsed, data)
		},
	})
	paths, err := filepath.Glob(filepath.Join(chart, "templates", "*"))
	check(err)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		check(err)
		_, err = all.New(filepath.Base(path)).Parse(string(text))
		check(err)
	}
	for _, path := range paths {
		name := filepath.Base(path)
		if strings.HasPrefix(name, "_") || strings.HasSuffix(name, ".txt") {
			continue
		}
		text, err := execute(all.Lookup(name), data)
		check(err)
		if strings.TrimSpace(text) != "" {
			fmt.Printf("---\n# Source: %s\n%s\n", name, text)
		}
	}
}

func execute(parsed *template.Template, data interface{}) (string, error) {
	if parsed == nil {
		return "", errors.New("no such template")
	}
	var text strings.Builder
	err := parsed.Execute(&text, data)
	// As Helm prints missing values.
	return strings.ReplaceAll(text.String(), "<no value>", ""), err
}

func read(path string) map[string]interface{} {
	text, err := os.ReadFile(path)
	check(err)
	values := map[string]interface{}{}
	check(yaml.Unmarshal(text, &values))
	return values
}

// Merges maps at every depth; other values are replaced.
func merge(base, over map[string]interface{}) map[string]interface{} {
	for key, value := range over {
		below, isMap := base[key].(map[string]interface{})
		above, isMapToo := value.(map[string]interface{})
		if isMap && isMapToo {
			base[key] = merge(below, above)
		} else {
			base[key] = value
		}
	}
	return base
}

func check(err error) {
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "Error:", err)
	os.Exit(1)
}
