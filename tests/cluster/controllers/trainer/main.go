// The controllers of Kubeflow Trainer and of JobSet, which it makes, in one process. Webhooks are JobSet's own alone: its defaults are
// written by one. Those of Trainer only check what users write.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	trainerv1alpha1 "github.com/kubeflow/trainer/v2/pkg/apis/trainer/v1alpha1"
	trainer "github.com/kubeflow/trainer/v2/pkg/controller"
	runtimes "github.com/kubeflow/trainer/v2/pkg/runtime/core"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	jobsetv1alpha2 "sigs.k8s.io/jobset/api/jobset/v1alpha2"
	jobset "sigs.k8s.io/jobset/pkg/controllers"
	"sigs.k8s.io/jobset/pkg/webhooks"
	schedulingv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	certificates := flag.String("certificates", "", "the folder of tls.crt and tls.key, for the webhooks")
	port := flag.Int("port", 9443, "of the webhooks")
	flag.Parse()
	ctrl.SetLogger(zap.New())
	known := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		scheme.AddToScheme, trainerv1alpha1.AddToScheme, jobsetv1alpha2.AddToScheme, schedulingv1alpha1.AddToScheme,
	} {
		must(add(known))
	}
	settings := ctrl.GetConfigOrDie()
	settings.QPS, settings.Burst = 100, 200
	running, err := ctrl.NewManager(settings, ctrl.Options{
		Scheme:        known,
		Client:        client.Options{Cache: &client.CacheOptions{Unstructured: true}},
		Metrics:       server.Options{BindAddress: "0"},
		WebhookServer: webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: *port, CertDir: *certificates}),
	})
	must(err)
	ctx := ctrl.SetupSignalHandler()

	must(jobset.SetupJobSetIndexes(ctx, running.GetFieldIndexer()))
	must(jobset.SetupPodIndexes(ctx, running.GetFieldIndexer()))
	events := running.GetEventRecorderFor("jobset")
	must(jobset.NewJobSetReconciler(running.GetClient(), running.GetScheme(), events).SetupWithManager(running))
	must(jobset.NewPodReconciler(running.GetClient(), running.GetScheme(), events).SetupWithManager(running))
	defaults, err := webhooks.NewJobSetWebhook(running.GetClient())
	must(err)
	must(defaults.SetupWebhookWithManager(running))

	ways, err := runtimes.New(ctx, running.GetClient(), running.GetFieldIndexer())
	must(err)
	_, err = trainer.SetupControllers(running, ways, controller.Options{})
	must(err)

	must(running.Add(manager.RunnableFunc(func(ctx context.Context) error {
		if running.GetCache().WaitForCacheSync(ctx) {
			fmt.Println("ready")
		}
		return nil
	})))
	must(running.Start(ctx))
}
