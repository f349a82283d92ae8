// cert-manager for issuers with an authority of their own and self-signed ones: those controllers, the injector of authorities and the
// webhook that checks what users write, which it has as three programs, in one process. ACME, Vault and Venafi are not linked.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/klog/v2"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/cert-manager/cert-manager/internal/webhook"
	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"github.com/cert-manager/cert-manager/pkg/controller"
	"github.com/cert-manager/cert-manager/pkg/controller/cainjector"
	"github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/approver"
	requestsca "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/ca"
	requestsselfsigned "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/selfsigned"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/issuing"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/keymanager"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/readiness"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/requestmanager"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/revisionmanager"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/trigger"
	"github.com/cert-manager/cert-manager/pkg/controller/clusterissuers"
	"github.com/cert-manager/cert-manager/pkg/controller/issuers"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/selfsigned"
	"github.com/cert-manager/cert-manager/pkg/util"
	"github.com/cert-manager/cert-manager/pkg/webhook/options"
	webhookserver "github.com/cert-manager/cert-manager/pkg/webhook/server"
)

// Of each controller, as in cert-manager's own defaults.
const workers = 5

var wanted = []string{
	issuers.ControllerName,
	clusterissuers.ControllerName,
	trigger.ControllerName,
	keymanager.ControllerName,
	requestmanager.ControllerName,
	issuing.ControllerName,
	readiness.ControllerName,
	revisionmanager.ControllerName,
	approver.ControllerName,
	requestsca.CRControllerName,
	requestsselfsigned.CRControllerName,
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	certificates := flag.String("certificates", "", "the folder of tls.crt and tls.key, for the webhook")
	port := flag.Int("port", 9445, "of the webhook")
	flag.Parse()
	kubeconfig := flag.Lookup("kubeconfig").Value.String() // controller-runtime's
	ctrl.SetLogger(klog.Background())
	running, ctx := errgroup.WithContext(ctrl.SetupSignalHandler())

	checking, err := checker(kubeconfig, *certificates, *port)
	must(err)
	running.Go(func() error { return checking.Run(ctx) })
	injecting, err := injector(ctx)
	must(err)
	running.Go(func() error { return injecting.Start(ctx) })
	must(sign(ctx, running, kubeconfig))

	if injecting.GetCache().WaitForCacheSync(ctx) && answers(ctx, *port) {
		fmt.Println("ready")
	}
	must(running.Wait())
}

// sign starts the controllers of issuers, certificates and their requests, and waits until they know all that there is.
func sign(ctx context.Context, running *errgroup.Group, kubeconfig string) error {
	factory, err := controller.NewContextFactory(ctx, controller.ContextOptions{
		Kubeconfig:         kubeconfig,
		KubernetesAPIQPS:   100,
		KubernetesAPIBurst: 200,
		IssuerOptions:      controller.IssuerOptions{ClusterResourceNamespace: "kube-system"},
		CertificateOptions: controller.CertificateOptions{
			CopiedAnnotationPrefixes:                 []string{"*", "-kubectl.kubernetes.io/"},
			CertificateRequestMinimumBackoffDuration: time.Hour,
			CertificateRequestMaximumBackoffDuration: 32 * time.Hour,
		},
	})
	if err != nil {
		return err
	}
	known := controller.Known()
	for _, name := range wanted {
		one, err := known[name](factory)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		running.Go(func() error { return one.Run(workers, ctx) })
	}
	shared, err := factory.Build()
	if err != nil {
		return err
	}
	// After all of them, as each has named what it watches by now.
	shared.SharedInformerFactory.Start(ctx.Done())
	shared.KubeSharedInformerFactory.Start(ctx.Done())
	shared.SharedInformerFactory.WaitForCacheSync(ctx.Done())
	shared.KubeSharedInformerFactory.WaitForCacheSync(ctx.Done())
	return nil
}

// injector returns what writes authorities into webhooks, API services and definitions.
func injector(ctx context.Context) (manager.Manager, error) {
	known := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		scheme.AddToScheme, certmanagerv1.AddToScheme, apiextensionsv1.AddToScheme, apiregistrationv1.AddToScheme,
	} {
		if err := add(known); err != nil {
			return nil, err
		}
	}
	injecting, err := ctrl.NewManager(util.RestConfigWithUserAgent(ctrl.GetConfigOrDie(), "cainjector"), ctrl.Options{
		Scheme: known,
		// Secrets are watched without what is in them, and read one by one.
		Client:  client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
		Metrics: server.Options{BindAddress: "0"},
	})
	if err != nil {
		return nil, err
	}
	return injecting, cainjector.RegisterAllInjectors(ctx, injecting, cainjector.SetupOptions{
		EnableCertificatesDataSource: true,
		EnabledReconcilersFor: map[string]bool{
			cainjector.MutatingWebhookConfigurationName:   true,
			cainjector.ValidatingWebhookConfigurationName: true,
			cainjector.APIServiceName:                     true,
			cainjector.CustomResourceDefinitionName:       true,
		},
	})
}

// checker returns the webhook.
func checker(kubeconfig, certificates string, port int) (*webhookserver.Server, error) {
	wanted, err := options.NewWebhookConfiguration()
	if err != nil {
		return nil, err
	}
	wanted.KubeConfig = kubeconfig
	wanted.SecurePort = int32(port)
	wanted.MetricsListenAddress = "0"
	wanted.TLSConfig.Filesystem.CertFile = certificates + "/tls.crt"
	wanted.TLSConfig.Filesystem.KeyFile = certificates + "/tls.key"
	return webhook.NewCertManagerWebhookServer(klog.Background(), *wanted, func(made *webhookserver.Server) {
		made.HealthzAddr = nil
	})
}

// answers waits until somebody listens on a port, and tells whether that came true.
func answers(ctx context.Context, port int) bool {
	dialer := net.Dialer{Timeout: time.Second}
	return wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		connection, err := dialer.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false, nil
		}
		return true, connection.Close()
	}) == nil
}
