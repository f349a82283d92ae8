// The controllers of Kubeflow's training operator without its webhooks, which only check what users write, and without the certificates
// that those need.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	trainingv1 "github.com/kubeflow/training-operator/pkg/apis/kubeflow.org/v1"
	"github.com/kubeflow/training-operator/pkg/config"
	controllers "github.com/kubeflow/training-operator/pkg/controller.v1"
	"github.com/kubeflow/training-operator/pkg/controller.v1/common"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	var kinds controllers.EnabledSchemes
	flag.Var(&kinds, "kind", "a kind of job to control; all when none is said")
	flag.StringVar(&config.Config.PyTorchInitContainerImage, "image", "", "of containers that the operator itself adds to pods")
	flag.StringVar(&config.Config.PyTorchInitContainerTemplateFile, "wait-for-master", "", "a file: the container that waits for the master")
	flag.Parse()
	config.Config.MPIKubectlDeliveryImage = config.Config.PyTorchInitContainerImage
	config.Config.PyTorchInitContainerMaxTries = config.PyTorchInitContainerMaxTriesDefault
	if kinds.Empty() {
		kinds.FillAll()
	}
	ctrl.SetLogger(zap.New())
	known := runtime.NewScheme()
	must(scheme.AddToScheme(known))
	must(trainingv1.AddToScheme(known))
	settings := ctrl.GetConfigOrDie()
	settings.QPS, settings.Burst = 100, 200
	running, err := ctrl.NewManager(settings, ctrl.Options{Scheme: known, Metrics: server.Options{BindAddress: "0"}})
	must(err)
	for _, kind := range kinds {
		must(controllers.SupportedSchemeReconciler[kind](running, common.GenNonGangSchedulerSetupFunc(), 2))
	}
	must(running.Add(manager.RunnableFunc(func(ctx context.Context) error {
		if running.GetCache().WaitForCacheSync(ctx) {
			fmt.Println("ready")
		}
		return nil
	})))
	must(running.Start(ctrl.SetupSignalHandler()))
}
