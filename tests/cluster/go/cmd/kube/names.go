package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
)

// serveNames is CoreDNS with what a cluster's names need. Its own main package would link the SDKs of three clouds.
func serveNames() {
	dnsserver.Directives = []string{"bind", "errors", "health", "cache", "kubernetes"}
	coremain.Run()
}
