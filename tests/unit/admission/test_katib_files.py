"""Files as Katib's users have them (facts 2 and 3): accepted as they are, or refused for a reason that is true here."""

import pytest

RANGES = """\
    - name: lr
      parameterType: double
      feasibleSpace:
        min: "0.01"
        max: "0.03"
    - name: num-layers
      parameterType: int
      feasibleSpace:
        min: "2"
        max: "5"
    - name: optimizer
      parameterType: categorical
      feasibleSpace:
        list:
          - sgd
          - adam
          - ftrl
"""
TRIAL_PARAMETERS = """\
    trialParameters:
      - name: learningRate
        description: Learning rate for the training model
        reference: lr
      - name: numberLayers
        description: Number of training model layers
        reference: num-layers
      - name: optimizer
        description: Training model optimizer (sgd, adam or ftrl)
        reference: optimizer
"""
JOB = """\
apiVersion: batch/v1
kind: Job
spec:
  template:
    spec:
      containers:
        - name: training-container
          image: example.com/mnist:latest
          command:
            - "python3"
            - "/opt/mnist.py"
            - "--batch-size=64"
            - "--lr=${trialParameters.learningRate}"
            - "--num-layers=${trialParameters.numberLayers}"
            - "--optimizer=${trialParameters.optimizer}"
          resources:
            limits:
              memory: "1Gi"
              cpu: "0.5"
      restartPolicy: Never
"""


def indented(text, spaces):
    return "".join(f"{' ' * spaces}{line}\n" for line in text.splitlines())


def experiment(algorithm="random", parameters=RANGES, template=None, more="", container="training-container"):
    template = template if template is not None else "    trialSpec:\n" + indented(JOB, 6)
    return f"""\
---
apiVersion: kubeflow.org/v1beta1
kind: Experiment
metadata:
  namespace: kubeflow
  name: {algorithm}-example
spec:
  objective:
    type: maximize
    goal: 0.99
    objectiveMetricName: Validation-accuracy
    additionalMetricNames:
      - Train-accuracy
  algorithm:
    algorithmName: {algorithm}
  parallelTrialCount: 3
  maxTrialCount: 12
  maxFailedTrialCount: 3
{more}  parameters:
{parameters}  trialTemplate:
    retain: true
    primaryContainerName: {container}
{TRIAL_PARAMETERS}{template}"""


def replica(role):
    return f"""\
    {role}:
      replicas: 1
      restartPolicy: OnFailure
      template:
        spec:
          containers:
            - name: main
              image: example.com/dist:latest
              command:
                - "python"
                - "--lr=${{trialParameters.learningRate}}"
                - "--layers=${{trialParameters.numberLayers}}"
                - "--optimizer=${{trialParameters.optimizer}}"
"""


def training(kind, field, *roles):
    text = f"apiVersion: kubeflow.org/v1\nkind: {kind}\nspec:\n  {field}:\n" + "".join(map(replica, roles))
    return "    trialSpec:\n" + indented(text, 6)


WORKFLOW = """\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
spec:
  entrypoint: hp-workflow
  arguments:
    parameters:
      - name: lr
        value: ${trialParameters.learningRate}
      - name: layers
        value: ${trialParameters.numberLayers}
      - name: optimizer
        value: ${trialParameters.optimizer}
  templates:
    - name: hp-workflow
      container: {name: main, image: example.com/train}
"""
ARGO = """\
    successCondition: status.[@this].#(phase=="Succeeded")#
    failureCondition: status.[@this].#(phase=="Failed")#
    primaryPodLabels:
      katib.kubeflow.org/model-training: "true"
"""
GRID = RANGES.replace('max: "0.03"\n', 'max: "0.03"\n        step: "0.005"\n')
FULL = {
    "random": experiment(),
    "grid": experiment("grid", GRID),
    "sobol": experiment("sobol"),
    "random with settings": experiment(more="").replace(
        "algorithmName: random\n",
        "algorithmName: random\n    algorithmSettings:\n      - name: random_state\n        value: '10'\n",
    ),
    "distributions": experiment(
        parameters=RANGES.replace('max: "0.03"\n', 'max: "0.03"\n        distribution: logUniform\n').replace(
            'max: "5"\n', 'max: "5"\n        distribution: normal\n'
        )
    ),
    "TFJob": experiment(
        template=training("TFJob", "tfReplicaSpecs", "Chief", "Worker"),
        container="main",
        more="  metricsCollectorSpec:\n    source:\n      fileSystemPath:\n        path: /train\n        kind: Directory\n"
        "    collector:\n      kind: TensorFlowEvent\n",
    ),
    "PyTorchJob": experiment(
        template=training("PyTorchJob", "pytorchReplicaSpecs", "Master", "Worker"), container="main"
    ),
    "MPIJob": experiment(template=training("MPIJob", "mpiReplicaSpecs", "Launcher", "Worker"), container="main"),
    "XGBoostJob": experiment(template=training("XGBoostJob", "xgbReplicaSpecs", "Master"), container="main"),
    "Argo": experiment(template=ARGO + "    trialSpec:\n" + indented(WORKFLOW, 6), container="main"),
    "file collector": experiment(
        more="  metricsCollectorSpec:\n    source:\n      filter:\n        metricsFormat:\n"
        '          - "{metricName: ([\\\\w|-]+), metricValue: ((-?\\\\d+)(\\\\.\\\\d+)?)}"\n'
        "      fileSystemPath:\n        path: /katib/mnist.log\n        kind: File\n    collector:\n      kind: File\n"
    ),
    "custom collector": experiment(
        more="  metricsCollectorSpec:\n    source:\n      fileSystemPath:\n        path: /katib/mnist.log\n        kind: File\n"
        "    collector:\n      kind: Custom\n      customCollector:\n        args: [-m, Validation-accuracy]\n"
        "        image: example.com/collector\n        name: custom\n        env:\n          - name: TrialNamePrefix\n"
        "            valueFrom: {fieldRef: {fieldPath: metadata.name}}\n"
    ),
    "median stop": experiment(
        more="  earlyStopping:\n    algorithmName: medianstop\n    algorithmSettings:\n"
        "      - {name: min_trials_required, value: '3'}\n      - {name: start_step, value: '5'}\n"
    ),
    "push": experiment(more="  metricsCollectorSpec:\n    collector:\n      kind: Push\n"),
    "resumable": experiment(more="  resumePolicy: LongRunning\n"),
    "from volume": experiment(more="  resumePolicy: FromVolume\n"),
    "strategies": experiment().replace(
        "  algorithm:\n",
        "    metricStrategies:\n      - name: Train-accuracy\n        value: max\n  algorithm:\n",
    ),
}


@pytest.mark.parametrize("name", FULL)
def test_file_is_accepted_as_it_is(admitted, name):
    (made,) = admitted(FULL[name])
    assert made.metadata.namespace == "kubeflow"
    assert made.spec.trial_template.success_condition


def test_values_of_a_workflow_are_texts_for_argo_and_numbers_by_yaml(admitted):
    (made,) = admitted(FULL["Argo"])
    assert "unquoted-placeholders" in str(made.spec.trial_template.trial_spec["metadata"]["annotations"])


def test_template_in_a_config_map(admitted, config_maps):
    config_maps["kubeflow", "trial-templates", "defaultTrialTemplate.yaml"] = JOB
    reference = (
        "    configMap:\n      configMapName: trial-templates\n      configMapNamespace: kubeflow\n"
        "      templatePath: defaultTrialTemplate.yaml\n"
    )
    conditions = (
        '    successCondition: status.conditions.#(type=="Complete")#|#(status=="True")#\n'
        '    failureCondition: status.conditions.#(type=="Failed")#|#(status=="True")#\n'
    )
    for template in (reference, conditions + reference):
        (made,) = admitted(experiment(template=template))
        assert made.spec.trial_template.trial_spec["kind"] == "Job"


NETWORK = """\
apiVersion: kubeflow.org/v1beta1
kind: Experiment
metadata: {name: enas, namespace: kubeflow}
spec:
  objective: {type: maximize, goal: 0.99, objectiveMetricName: Validation-Accuracy}
  algorithm: {algorithmName: enas}
  parallelTrialCount: 2
  maxTrialCount: 3
  nasConfig:
    graphConfig: {numLayers: 8, inputSizes: [32, 32, 3], outputSizes: [10]}
    operations:
      - operationType: convolution
        parameters:
          - {name: filter_size, parameterType: categorical, feasibleSpace: {list: ["3", "5"]}}
          - {name: stride, parameterType: categorical, feasibleSpace: {list: ["1", "2"]}}
  trialTemplate:
    primaryContainerName: training-container
    trialParameters:
      - {name: neuralNetworkArchitecture, reference: architecture}
      - {name: neuralNetworkConfig, reference: nn_config}
    trialSpec:
      apiVersion: batch/v1
      kind: Job
      spec:
        template:
          spec:
            restartPolicy: Never
            containers:
              - name: training-container
                image: example.com/enas
                command:
                  - python3
                  - --architecture="${trialParameters.neuralNetworkArchitecture}"
                  - --nn_config="${trialParameters.neuralNetworkConfig}"
"""
STOPPING = "  earlyStopping:\n    algorithmName: medianstop\n    algorithmSettings: [{name: min_trials_required, value: '1'}]\n"


@pytest.mark.parametrize(
    ("text", "path", "said"),
    [
        (experiment("grid"), "spec.parameters", "'lr' must include step"),
        (experiment("nosuch"), "spec.algorithm.algorithmName", "is no algorithm; there are"),
        (
            NETWORK.replace("algorithmName: enas", "algorithmName: enos"),
            "spec.algorithm.algorithmName",
            "is no algorithm",
        ),
        (
            experiment(more=STOPPING.replace("median", "mean")),
            "spec.earlyStopping.algorithmName",
            "is no early stopper",
        ),
        (
            experiment(
                template="    trialSpec:\n" + indented(WORKFLOW.replace("Workflow", "CronWorkflow"), 6),
                container="main",
            ),
            "spec.trialTemplate.successCondition",
            "is required for a template of kind 'CronWorkflow'",
        ),
        (
            experiment(parameters=RANGES.replace('max: "0.03"', 'max: "0.001"')),
            "spec.parameters[0].feasibleSpace.min",
            "must be at most max (0.001)",
        ),
        (
            experiment(more="  metricsCollectorSpec:\n    collector:\n      kind: None\n"),
            "spec.metricsCollectorSpec.collector.kind",
            "must be one of StdOut",
        ),
        (experiment().replace("v1beta1", "v1alpha3"), "apiVersion", "must be 'kubeflow.org/v1beta1'"),
        (
            experiment(template="    goTemplate:\n      rawTemplate: x\n"),
            "spec.trialTemplate.goTemplate",
            "is not a field of the format",
        ),
        (
            experiment(container="main"),
            "spec.trialTemplate.primaryContainerName",
            "is none of the template's containers",
        ),
    ],
)
def test_file_is_refused_for_the_right_reason(refused, text, path, said):
    problems = {problem.path: problem for problem in refused(text)}
    assert said in problems[path].message
    assert problems[path].line
    assert len(problems) <= 2


def test_refused_algorithm_does_not_hide_what_else_is_wrong(refused):
    text = NETWORK.replace("training-container\n    trialP", "other\n    trialP").replace(
        "maxTrialCount: 3", "maxTrialCount: 1"
    )
    text = text.replace("algorithmName: enas", "algorithmName: enos")
    assert [problem.path for problem in refused(text)] == [
        "spec.algorithm.algorithmName",
        "spec.parallelTrialCount",
        "spec.trialTemplate.primaryContainerName",
    ]
