// Kueue for Jobs and PyTorchJobs: the parts of its own main program that these need, without metrics and visibility, which want
// certificates, and without the queues of several clusters.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	configv1beta2 "sigs.k8s.io/kueue/apis/config/v1beta2"
	kueuev1beta1 "sigs.k8s.io/kueue/apis/kueue/v1beta1"
	kueuev1beta2 "sigs.k8s.io/kueue/apis/kueue/v1beta2"
	queues "sigs.k8s.io/kueue/pkg/cache/queue"
	rooms "sigs.k8s.io/kueue/pkg/cache/scheduler"
	"sigs.k8s.io/kueue/pkg/config"
	"sigs.k8s.io/kueue/pkg/constants"
	"sigs.k8s.io/kueue/pkg/controller/core"
	"sigs.k8s.io/kueue/pkg/controller/core/indexer"
	"sigs.k8s.io/kueue/pkg/controller/jobframework"
	_ "sigs.k8s.io/kueue/pkg/controller/jobs/job"
	_ "sigs.k8s.io/kueue/pkg/controller/jobs/kubeflow/jobs/pytorchjob"
	tas "sigs.k8s.io/kueue/pkg/controller/tas/indexer"
	"sigs.k8s.io/kueue/pkg/scheduler"
	"sigs.k8s.io/kueue/pkg/scheduler/preemption/expectations"
	"sigs.k8s.io/kueue/pkg/util/kubeversion"
	"sigs.k8s.io/kueue/pkg/webhooks"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	file := flag.String("config", "", "Kueue's configuration")
	flag.Parse()
	ctrl.SetLogger(zap.New())
	known := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		scheme.AddToScheme, kueuev1beta1.AddToScheme, kueuev1beta2.AddToScheme, configv1beta2.AddToScheme,
	} {
		must(add(known))
	}
	must(jobframework.ForEachIntegration(func(_ string, kind jobframework.IntegrationCallbacks) error {
		if kind.AddToScheme != nil {
			return kind.AddToScheme(known)
		}
		return nil
	}))
	options, wanted, err := config.Load(known, *file)
	must(err)
	config.AddWebhookSettingsTo(&options, &wanted)
	options.Metrics = server.Options{BindAddress: "0"}
	settings := ctrl.GetConfigOrDie()
	settings.QPS, settings.Burst = 100, 200
	running, err := ctrl.NewManager(settings, options)
	must(err)
	ctx := ctrl.SetupSignalHandler()

	expected := expectations.New()
	room := rooms.New(running.GetClient())
	again := queues.NewRequeuer()
	must(running.Add(again))
	waiting := queues.NewManager(running.GetClient(), room, again, queues.WithPreemptionExpectations(expected))
	frameworks := jobframework.WithEnabledFrameworks(wanted.Integrations.Frameworks)
	must(indexer.Setup(ctx, running.GetFieldIndexer()))
	must(tas.SetupIndexes(ctx, running.GetFieldIndexer()))
	must(jobframework.SetupIndexes(ctx, running.GetFieldIndexer(), frameworks))
	asked, err := discovery.NewDiscoveryClientForConfig(settings)
	must(err)
	version := kubeversion.NewServerVersionFetcher(asked)
	must(running.Add(version))
	must(version.FetchServerVersion())

	_, err = core.SetupControllers(running, waiting, room, &wanted, nil, expected, nil)
	must(err)
	places, err := metav1.LabelSelectorAsSelector(wanted.ManagedJobsNamespaceSelector)
	must(err)
	must(jobframework.SetupControllers(ctx, running, ctrl.Log, frameworks,
		jobframework.WithManageJobsWithoutQueueName(wanted.ManageJobsWithoutQueueName),
		jobframework.WithKubeServerVersion(version),
		jobframework.WithManagerName(constants.KueueName),
		jobframework.WithCache(room),
		jobframework.WithQueues(waiting),
		jobframework.WithManagedJobsNamespaceSelector(places),
	))
	_, err = webhooks.Setup(running, nil)
	must(err)
	go waiting.CleanUpOnContext(ctx)
	go room.CleanUpOnContext(ctx)
	must(running.Add(scheduler.New(waiting, room, running.GetClient(), running.GetEventRecorderFor(constants.AdmissionName),
		scheduler.WithPreemptionExpectations(expected))))

	must(running.Add(manager.RunnableFunc(func(ctx context.Context) error {
		if running.GetCache().WaitForCacheSync(ctx) {
			fmt.Println("ready")
		}
		return nil
	})))
	must(running.Start(ctx))
}
