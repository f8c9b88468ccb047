//! The Helm chart: linted, rendered with several values, and its settings given to a server.

use std::collections::BTreeSet;
use std::process::Command;

use claviger_e2e::process::Process;
use claviger_e2e::{Database, Http, Request, Server, ServerOptions, binary};
use serde_json::{Value, json};

use crate::{file, output, texts, yaml};

fn helm(command: &str) -> Command {
    let mut helm = Command::new("helm");
    helm.arg(command).current_dir(binary::root().join("packaging/helm"));
    helm
}

/// Renders one of the files in `ci`, with some values set anew.
fn template(values: &str, set: &[&str]) -> Command {
    let mut template = helm("template");
    template.args(["test", "claviger", "--namespace", "auth", "--kube-version", "1.33.0"]);
    template.args(["--values", &format!("claviger/ci/{values}-values.yaml")]);
    for value in set {
        template.args(["--set", value]);
    }
    template
}

/// What is wrong with such values.
fn refusal(values: &str, set: &[&str]) -> String {
    let ran = template(values, set).output().unwrap();
    assert!(!ran.status.success(), "{set:?}");
    String::from_utf8_lossy(&ran.stderr).into_owned()
}

/// The objects that the chart makes of one of the files in `ci`.
struct Rendered(Vec<Value>);

impl Rendered {
    fn with(values: &str) -> Self {
        Self::changed(values, &[])
    }

    /// Of these values, with some set anew.
    fn changed(values: &str, set: &[&str]) -> Self {
        let text = output(&mut template(values, set));
        let documents = text
            .split("\n---\n")
            .map(|document| document.trim_start_matches("---\n"));
        Self(
            documents
                .filter(|document| document.contains("kind:"))
                .map(yaml)
                .collect(),
        )
    }

    fn kinds(&self) -> BTreeSet<&str> {
        self.0.iter().map(|object| object["kind"].as_str().unwrap()).collect()
    }

    fn all(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |object| object["kind"] == kind)
    }

    fn one(&self, kind: &str) -> &Value {
        let mut all = self.all(kind);
        let one = all.next().unwrap_or_else(|| panic!("no {kind}"));
        assert!(all.next().is_none(), "more than one {kind}");
        one
    }

    /// What the pods of the server are.
    fn pod(&self) -> &Value {
        &self.one("Deployment")["spec"]["template"]
    }

    fn container(&self) -> &Value {
        &self.pod()["spec"]["containers"][0]
    }
}

/// Whether labels are what a selector asks for.
fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector.as_object().unwrap();
    !wanted.is_empty() && wanted.iter().all(|(name, value)| &labels[name] == value)
}

#[test]
fn helm_finds_no_fault_in_it() {
    for values in ["smallest", "everything", "bare", "guarded"] {
        let values = format!("claviger/ci/{values}-values.yaml");
        output(helm("lint").args(["claviger", "--strict", "--values", &values]));
    }
}

#[test]
fn what_must_be_said_is_asked_for() {
    for (left_out, told) in [
        ("config.urls.self.issuer=", "config.urls.self.issuer is required"),
        (
            "config.urls.login=",
            "config.urls.login and config.urls.consent are required",
        ),
        ("secret.existingSecret=", "secret.existingSecret is required"),
    ] {
        let error = refusal("smallest", &[left_out]);
        assert!(error.contains(told), "{error}");
    }
    let error = refusal("smallest", &["migration.type=cron"]);
    assert!(
        error.contains("migration.type"),
        "the schema of the values knows the words: {error}"
    );
}

#[test]
fn the_smallest_values_give_a_safe_whole() {
    let rendered = Rendered::with("smallest");
    let kinds = [
        "ConfigMap",
        "Deployment",
        "Job",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
    ];
    assert_eq!(rendered.kinds(), BTreeSet::from(kinds));
    let (deployment, job) = (rendered.one("Deployment"), rendered.one("Job"));
    assert_eq!(deployment["spec"]["replicas"], 2);
    let when = &job["metadata"]["annotations"]["helm.sh/hook"];
    assert_eq!(when, "pre-install,pre-upgrade", "tables first");
    for pod in [
        &deployment["spec"]["template"]["spec"],
        &job["spec"]["template"]["spec"],
    ] {
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["securityContext"]["runAsUser"], 65532, "the user of the image");
        assert_eq!(pod["automountServiceAccountToken"], false);
        let container = &pod["containers"][0]["securityContext"];
        assert_eq!(container["readOnlyRootFilesystem"], true);
        assert_eq!(container["allowPrivilegeEscalation"], false);
        assert_eq!(container["capabilities"]["drop"], json!(["ALL"]));
    }
    let probes = [
        ("startupProbe", "/health/alive"),
        ("livenessProbe", "/health/alive"),
        ("readinessProbe", "/health/ready"),
    ];
    for (probe, path) in probes {
        assert_eq!(rendered.container()[probe]["httpGet"]["path"], path, "{probe}");
    }
}

#[test]
fn services_policies_and_budgets_mean_the_pods_of_the_server_and_no_others() {
    for values in ["smallest", "everything"] {
        let rendered = Rendered::with(values);
        let labels = &rendered.pod()["metadata"]["labels"];
        let ports: BTreeSet<&str> = rendered.container()["ports"]
            .as_array()
            .unwrap()
            .iter()
            .map(|port| port["name"].as_str().unwrap())
            .collect();
        let mut selectors = vec![
            &rendered.one("Deployment")["spec"]["selector"]["matchLabels"],
            &rendered.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
            &rendered.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        ];
        for service in rendered.all("Service") {
            selectors.push(&service["spec"]["selector"]);
            let target = service["spec"]["ports"][0]["targetPort"].as_str().unwrap();
            assert!(ports.contains(target), "{target}");
        }
        for selector in selectors {
            assert!(selects(selector, labels), "{selector} does not mean {labels}");
            for job in rendered.all("Job") {
                let of_job = &job["spec"]["template"]["metadata"]["labels"];
                assert!(!selects(selector, of_job), "the migration would get requests");
            }
        }
    }
}

#[test]
fn the_admin_port_has_a_service_and_a_rule_of_its_own() {
    let rendered = Rendered::with("smallest");
    let names: BTreeSet<&str> = rendered
        .all("Service")
        .map(|service| service["metadata"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, BTreeSet::from(["test-claviger-admin", "test-claviger-public"]));
    let rules = &rendered.one("NetworkPolicy")["spec"]["ingress"];
    assert_eq!(rules[0], json!({"ports": [{"port": "public"}]}), "everybody");
    let from = json!([{"podSelector": {"matchLabels": {"claviger.admin": "true"}}}]);
    assert_eq!(rules[1], json!({"ports": [{"port": "admin"}], "from": from}));
    let rendered = Rendered::with("everything");
    let from = &rendered.one("NetworkPolicy")["spec"]["ingress"][1]["from"];
    assert_eq!(from[0]["namespaceSelector"]["matchLabels"]["team"], "identity");
    let backend = &rendered.one("Ingress")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"];
    assert_eq!(backend, "auth-public");
}

#[test]
fn every_part_can_be_switched_on_and_off() {
    let everything = Rendered::with("everything");
    for kind in ["HorizontalPodAutoscaler", "Ingress", "Secret", "ServiceMonitor"] {
        everything.one(kind);
    }
    assert!(everything.all("Job").next().is_none());
    let first = &everything.pod()["spec"]["initContainers"][0];
    assert_eq!(
        texts(&first["args"]),
        ["migrate", "sql", "--read-from-env", "--yes", "--wait=4m"]
    );
    assert!(
        everything.one("Deployment")["spec"]["replicas"].is_null(),
        "the autoscaler decides"
    );
    let scaled = &everything.one("HorizontalPodAutoscaler")["spec"];
    assert_eq!(
        (&scaled["minReplicas"], &scaled["maxReplicas"]),
        (&json!(3), &json!(30))
    );
    assert_eq!(
        scaled["scaleTargetRef"]["name"],
        everything.one("Deployment")["metadata"]["name"]
    );
    let monitored = &everything.one("ServiceMonitor")["spec"]["selector"]["matchLabels"];
    let admin = everything
        .all("Service")
        .find(|service| service["metadata"]["name"] == "auth-admin")
        .unwrap();
    assert!(selects(monitored, &admin["metadata"]["labels"]), "{monitored}");

    let bare = Rendered::with("bare");
    assert_eq!(bare.kinds(), BTreeSet::from(["ConfigMap", "Deployment", "Service"]));
    assert_eq!(bare.one("Service")["metadata"]["name"], "test-claviger-public");
}

#[test]
fn secrets_come_from_a_secret_and_are_nowhere_else() {
    for (values, name) in [("smallest", "claviger"), ("everything", "auth")] {
        let rendered = Rendered::with(values);
        let variables = rendered.container()["env"].as_array().unwrap();
        for (variable, key) in [("DSN", "dsn"), ("SECRETS_SYSTEM", "secretsSystem")] {
            let found = variables.iter().find(|found| found["name"] == variable).unwrap();
            let from = &found["valueFrom"]["secretKeyRef"];
            assert_eq!((&from["name"], &from["key"]), (&name.into(), &key.into()));
        }
        for object in rendered.0.iter().filter(|object| object["kind"] != "Secret") {
            let text = object.to_string();
            assert!(
                !text.contains("p%40ss") && !text.contains("0123456789abcdef0123"),
                "{text}"
            );
        }
    }
}

/// The names of variables of a container, each of which is there once.
fn variables(container: &Value) -> BTreeSet<&str> {
    let all = container["env"].as_array().unwrap();
    let names: BTreeSet<&str> = all.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), all.len(), "{all:?}");
    names
}

#[test]
fn files_and_variables_of_yours_reach_the_server_and_the_migration() {
    for kind in ["job", "initContainer"] {
        let rendered = Rendered::changed("guarded", &[&format!("migration.type={kind}")]);
        let pod = &rendered.pod()["spec"];
        let (migrating, migration) = match kind {
            "job" => {
                let pod = &rendered.one("Job")["spec"]["template"]["spec"];
                (pod, &pod["containers"][0])
            }
            _ => (pod, &pod["initContainers"][0]),
        };
        for (pod, container) in [(pod, rendered.container()), (migrating, migration)] {
            let volumes = pod["volumes"].as_array().unwrap();
            let mounts = container["volumeMounts"].as_array().unwrap();
            for (name, path) in [("tls", "/run/tls"), ("secrets", "/run/secrets")] {
                assert!(
                    volumes.iter().any(|volume| volume["name"] == name),
                    "{kind}: {volumes:?}"
                );
                let mount = json!({"name": name, "mountPath": path, "readOnly": true});
                assert!(mounts.contains(&mount), "{kind}: {mounts:?}");
            }
            let variables = variables(container);
            assert!(variables.contains("DSN_FILE"), "{kind}: {variables:?}");
            for refused_beside_its_file in ["DSN", "SECRETS_SYSTEM"] {
                assert!(!variables.contains(refused_beside_its_file), "{kind}: {variables:?}");
            }
        }
    }
    let rendered = Rendered::with("guarded");
    assert!(
        rendered.all("Secret").next().is_none(),
        "nothing is left for it to hold"
    );
    let one = Rendered::changed("guarded", &["extraEnv[1].name=LOG_LEVEL", "secret.secretsSystem=s"]);
    assert_eq!(one.one("Secret")["stringData"], json!({"secretsSystem": "s"}));
    assert!(variables(one.container()).contains("SECRETS_SYSTEM"));
}

/// With the values as given, and those that are set: where the kubelet asks and how, and how the metrics are read.
#[test]
fn probes_and_the_monitor_speak_as_the_ports_do() {
    const NO_CA: &str = "config.serve.admin.tls.client_ca=null";
    const SOCKET: &str = "config.serve.admin.host=unix:/run/admin.sock";
    let cases: &[(&str, &[&str], [&str; 3])] = &[
        ("everything", &[], ["admin", "HTTP", "http"]),
        (
            "everything",
            &["config.serve.tls.enabled=true"],
            ["admin", "HTTPS", "https"],
        ),
        (
            "everything",
            &["config.serve.public.tls.enabled=true"],
            ["admin", "HTTP", "http"],
        ),
        (
            "everything",
            &["config.serve.admin.tls.enabled=true"],
            ["admin", "HTTPS", "https"],
        ),
        (
            "everything",
            &["config.serve.admin.host=127.0.0.1"],
            ["public", "HTTP", "http"],
        ),
        ("everything", &[SOCKET], ["public", "HTTP", "http"]),
        ("guarded", &[], ["public", "HTTPS", "https"]),
        ("guarded", &[NO_CA], ["admin", "HTTPS", "https"]),
        (
            "guarded",
            &[NO_CA, "config.serve.admin.tls.enabled=false"],
            ["admin", "HTTP", "http"],
        ),
        (
            "guarded",
            &["config.serve.public.tls.enabled=false"],
            ["public", "HTTP", "https"],
        ),
    ];
    for (values, set, [port, probed, monitored]) in cases {
        let rendered = Rendered::changed(values, set);
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            let probe = &rendered.container()[probe]["httpGet"];
            assert_eq!(
                (&probe["port"], &probe["scheme"]),
                (&json!(port), &json!(probed)),
                "{set:?}"
            );
        }
        let endpoint = &rendered.one("ServiceMonitor")["spec"]["endpoints"][0];
        assert_eq!(endpoint["scheme"], *monitored, "{set:?}");
    }
    let rendered = Rendered::with("guarded");
    let ports = json!([{"name": "public", "containerPort": 5444}, {"name": "admin", "containerPort": 5445}]);
    assert_eq!(rendered.container()["ports"], ports, "as the settings say");
}

#[test]
fn the_monitor_shows_what_the_admin_port_asks_for() {
    let endpoint = &Rendered::with("guarded").one("ServiceMonitor")["spec"]["endpoints"][0].clone();
    assert_eq!(
        endpoint["authorization"]["credentials"],
        json!({"name": "prometheus", "key": "key"})
    );
    assert_eq!(endpoint["tlsConfig"]["keySecret"]["name"], "prometheus-tls");
    for (left_out, told) in [
        (
            "serviceMonitor.authorization=null",
            "serviceMonitor.authorization is required",
        ),
        (
            "serviceMonitor.tlsConfig.cert=null",
            "serviceMonitor.tlsConfig.cert and",
        ),
        ("service.admin.enabled=false", "needs service.admin.enabled"),
    ] {
        let error = refusal("guarded", &[left_out]);
        assert!(error.contains(told), "{error}");
    }
}

/// Whatever the release, the chart and the service are called.
#[test]
fn the_alerts_ask_for_the_job_that_the_monitor_names() {
    let rendered = Rendered::changed("everything", &["nameOverride=hydra"]);
    let named = &rendered.one("ServiceMonitor")["spec"]["endpoints"][0]["relabelings"];
    assert_eq!(*named, json!([{"targetLabel": "job", "replacement": "claviger"}]));
    let alerts = file("contrib/prometheus/alerts.yml");
    let jobs: Vec<&str> = alerts
        .split("job=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert!(jobs.len() >= 2 && jobs.iter().all(|job| *job == "claviger"), "{jobs:?}");
}

/// In a container of the image, whose variables win over the settings unless the chart empties them.
#[test]
fn every_setting_of_the_values_counts() {
    let containerfile = file("packaging/image/Containerfile");
    let of_image: Vec<(&str, &str)> = containerfile
        .lines()
        .filter_map(|line| line.strip_prefix("ENV SERVE"))
        .flat_map(|rest| rest.split(" SERVE"))
        .map(|variable| variable.split_once('=').unwrap())
        .collect();
    assert_eq!(of_image.len(), 2);
    let rendered = Rendered::with("guarded");
    let place = tempfile::tempdir().unwrap();
    let settings = place.path().join("claviger.yaml");
    std::fs::write(
        &settings,
        rendered.one("ConfigMap")["data"]["claviger.yaml"].as_str().unwrap(),
    )
    .unwrap();
    let shown = |key: &str| {
        let mut command = binary::command();
        let image = of_image.iter().map(|(name, value)| (format!("SERVE{name}"), *value));
        command.envs(image).envs([("DSN", "memory")]);
        for variable in rendered.container()["env"].as_array().unwrap() {
            // Files of secrets are not here.
            if let (Some(value), Some(name)) = (variable["value"].as_str(), variable["name"].as_str())
                && !name.ends_with("_FILE")
            {
                command.env(name, value);
            }
        }
        let shown = output(
            command
                .args(["config", key, "--format", "json", "--config"])
                .arg(&settings),
        );
        serde_json::from_str::<Value>(&shown).unwrap()[0].clone()
    };
    for (key, value) in [
        ("serve.admin.host", json!("::")),
        ("serve.admin.allow_unauthenticated", json!(false)),
        ("serve.admin.port", json!(5445)),
    ] {
        assert_eq!(shown(key)["value"], value, "{key}");
    }
}

/// The arguments, the settings and the path of the metrics are those of the real program.
#[tokio::test]
async fn the_server_takes_its_arguments_and_settings() {
    let rendered = Rendered::with("everything");
    let database = Database::sqlite();
    let migrate = &rendered.pod()["spec"]["initContainers"][0]["args"];
    binary::run_with(&texts(migrate), &[("DSN", &database.dsn())]).success();
    let place = tempfile::tempdir().unwrap();
    let settings = place.path().join("claviger.yaml");
    let text = rendered.one("ConfigMap")["data"]["claviger.yaml"]
        .as_str()
        .unwrap()
        .to_owned();
    std::fs::write(&settings, text).unwrap();
    let mut options = ServerOptions::new(&database);
    let kept = [
        "SECRETS_SYSTEM",
        "DSN",
        "SERVE_PUBLIC_PORT",
        "SERVE_ADMIN_PORT",
        "SERVE_PUBLIC_HOST",
    ];
    options.variables.retain(|(name, _)| kept.contains(&name.as_str()));
    options = options.with("SERVE_ADMIN_HOST", "127.0.0.1");
    let arguments = texts(&rendered.container()["args"]);
    let mounted = "/etc/claviger/claviger.yaml";
    assert!(arguments.contains(&mounted), "{arguments:?}");
    options.args = arguments
        .into_iter()
        .map(|argument| argument.replace(mounted, settings.to_str().unwrap()))
        .collect();
    let mut command = binary::command();
    command
        .args(&options.args)
        .envs(options.variables.iter().map(|(name, value)| (name, value)));
    let server = Server::wait(Process::start("in the chart", &mut command), options).await;
    let found = server.public("/.well-known/openid-configuration");
    assert_eq!(
        Http::new().send(Request::get(&found)).await.json()["issuer"],
        "https://auth.example.com/"
    );
    let path = rendered.one("ServiceMonitor")["spec"]["endpoints"][0]["path"]
        .as_str()
        .unwrap();
    assert_eq!(Http::new().send(Request::get(&server.admin(path))).await.status, 200);
}

#[test]
fn the_chart_is_of_this_release() {
    let chart = yaml(&file("packaging/helm/claviger/Chart.yaml"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}
