package test_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"
)

// securityPolicy and the next two are what the examples use of types whose
// modules are too large to be worth it here.
type securityPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		TargetRefs []gatewayv1.LocalPolicyTargetReference `json:"targetRefs"`
		ExtAuth    struct {
			FailOpen       *bool `json:"failOpen"`
			RecomputeRoute *bool `json:"recomputeRoute"`
			GRPC           struct {
				BackendRefs []gatewayv1.BackendObjectReference `json:"backendRefs"`
			} `json:"grpc"`
		} `json:"extAuth"`
	} `json:"spec"`
}

type clientTrafficPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		TargetRefs []gatewayv1.LocalPolicyTargetReference `json:"targetRefs"`
		Path       struct {
			DisableMergeSlashes  *bool  `json:"disableMergeSlashes"`
			EscapedSlashesAction string `json:"escapedSlashesAction"`
		} `json:"path"`
		Headers struct {
			WithUnderscoresAction string `json:"withUnderscoresAction"`
		} `json:"headers"`
		TLS struct {
			MinVersion    string   `json:"minVersion"`
			ALPNProtocols []string `json:"alpnProtocols"`
		} `json:"tls"`
		Timeout struct {
			HTTP struct {
				RequestReceivedTimeout string `json:"requestReceivedTimeout"`
			} `json:"http"`
		} `json:"timeout"`
	} `json:"spec"`
}

type serviceMonitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Selector  metav1.LabelSelector `json:"selector"`
		Endpoints []struct {
			Port string `json:"port"`
			Path string `json:"path"`
		} `json:"endpoints"`
	} `json:"spec"`
}

// kinds are the objects that the examples may hold.
var kinds = map[string]func() any{
	"v1/ConfigMap":                                       func() any { return new(corev1.ConfigMap) },
	"v1/Service":                                         func() any { return new(corev1.Service) },
	"v1/ServiceAccount":                                  func() any { return new(corev1.ServiceAccount) },
	"apps/v1/Deployment":                                 func() any { return new(appsv1.Deployment) },
	"autoscaling/v2/HorizontalPodAutoscaler":             func() any { return new(autoscalingv2.HorizontalPodAutoscaler) },
	"networking.k8s.io/v1/NetworkPolicy":                 func() any { return new(networkingv1.NetworkPolicy) },
	"policy/v1/PodDisruptionBudget":                      func() any { return new(policyv1.PodDisruptionBudget) },
	"gateway.networking.k8s.io/v1/Gateway":               func() any { return new(gatewayv1.Gateway) },
	"gateway.networking.k8s.io/v1/HTTPRoute":             func() any { return new(gatewayv1.HTTPRoute) },
	"gateway.networking.k8s.io/v1/BackendTLSPolicy":      func() any { return new(gatewayv1.BackendTLSPolicy) },
	"gateway.envoyproxy.io/v1alpha1/SecurityPolicy":      func() any { return new(securityPolicy) },
	"gateway.envoyproxy.io/v1alpha1/ClientTrafficPolicy": func() any { return new(clientTrafficPolicy) },
	"monitoring.coreos.com/v1/ServiceMonitor":            func() any { return new(serviceMonitor) },
}

// decode reads every document into the type of its kind; a field that the type
// does not have is an error.
func decode(t *testing.T, text string) (objects []any) {
	t.Helper()
	for _, doc := range regexp.MustCompile(`(?m)^---$`).Split(text, -1) {
		var meta metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(doc), &meta); err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		if meta.Kind == "" {
			continue
		}
		make, ok := kinds[meta.APIVersion+"/"+meta.Kind]
		if !ok {
			t.Fatalf("nobody knows the kind %s/%s", meta.APIVersion, meta.Kind)
		}
		o := make()
		if err := yaml.UnmarshalStrict([]byte(doc), o); err != nil {
			t.Fatalf("%s: %v", meta.Kind, err)
		}
		objects = append(objects, o)
	}
	return objects
}

// check holds pods to having no rights, and selectors to finding their pods.
func check(t *testing.T, objects []any) {
	t.Helper()
	var pods []corev1.PodTemplateSpec
	for _, o := range objects {
		if d, ok := o.(*appsv1.Deployment); ok {
			pods = append(pods, d.Spec.Template)
			finds(t, "Deployment", d.Spec.Selector.MatchLabels, d.Spec.Template.Labels)
		}
	}
	if len(pods) != 1 {
		t.Fatalf("got %d deployments, want 1", len(pods))
	}
	for _, o := range objects {
		switch o := o.(type) {
		case *corev1.Service:
			finds(t, "Service "+o.Name, o.Spec.Selector, pods[0].Labels)
		case *networkingv1.NetworkPolicy:
			finds(t, "NetworkPolicy "+o.Name, o.Spec.PodSelector.MatchLabels, pods[0].Labels)
		case *policyv1.PodDisruptionBudget:
			finds(t, "PodDisruptionBudget "+o.Name, o.Spec.Selector.MatchLabels, pods[0].Labels)
		}
	}
	spec := pods[0].Spec
	s := spec.SecurityContext
	if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken || s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot ||
		s.RunAsUser == nil || *s.RunAsUser == 0 || s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("the pod has rights: %+v", s)
	}
	for _, c := range append(spec.InitContainers, spec.Containers...) {
		s := c.SecurityContext
		if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
			s.Capabilities == nil || len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" || len(s.Capabilities.Add) > 0 {
			t.Errorf("container %s has rights: %+v", c.Name, s)
		}
		if c.Name != "guard" {
			continue
		}
		if c.ReadinessProbe.HTTPGet.Path != "/-/readyz" || c.LivenessProbe.HTTPGet.Path != "/-/healthz" || c.StartupProbe.HTTPGet.Path != "/-/healthz" {
			t.Errorf("got probes %v, %v, %v", c.ReadinessProbe, c.LivenessProbe, c.StartupProbe)
		}
		mounted(t, spec, c)
	}
}

// mounted holds every mount to a volume.
func mounted(t *testing.T, spec corev1.PodSpec, c corev1.Container) {
	t.Helper()
	volumes := map[string]bool{}
	for _, v := range spec.Volumes {
		volumes[v.Name] = true
	}
	for _, m := range c.VolumeMounts {
		if !volumes[m.Name] {
			t.Errorf("mount %s has no volume", m.Name)
		}
	}
}

func finds(t *testing.T, who string, selector, labels map[string]string) {
	t.Helper()
	for k, v := range selector {
		if labels[k] != v {
			t.Errorf("%s selects %s=%s, the pods have %v", who, k, v, labels)
		}
	}
}

// checkConfigs puts each wiretight.yaml to `wiretight config check`.
func checkConfigs(t *testing.T, objects []any) {
	t.Helper()
	checked := 0
	for _, o := range objects {
		m, ok := o.(*corev1.ConfigMap)
		if !ok {
			continue
		}
		dir := t.TempDir()
		certificate(t, dir)
		text := strings.NewReplacer("/etc/wiretight/tls", dir, "/var/lib/wiretight", dir).Replace(m.Data["wiretight.yaml"])
		file := filepath.Join(dir, "wiretight.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(program, "config", "check", "-c", file).CombinedOutput(); err != nil {
			t.Errorf("config check: %v\n%s\n%s", err, out, text)
		}
		checked++
	}
	if checked != 1 {
		t.Errorf("got %d configurations, want 1", checked)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSidecar(t *testing.T) {
	objects := decode(t, read(t, "../sidecar.yaml"))
	check(t, objects)
	checkConfigs(t, objects)
	for _, o := range objects {
		switch o := o.(type) {
		case *appsv1.Deployment:
			if app := o.Spec.Template.Spec.Containers[0]; len(app.Ports) > 0 || !strings.Contains(strings.Join(app.Args, " "), "--host 127.0.0.1") {
				t.Errorf("the application listens for others: %v, %v", app.Ports, app.Args)
			}
			if guard := o.Spec.Template.Spec.InitContainers[0]; guard.RestartPolicy == nil || *guard.RestartPolicy != corev1.ContainerRestartPolicyAlways {
				t.Errorf("got %v, want a sidecar", guard.RestartPolicy)
			}
		case *corev1.Service:
			for _, p := range o.Spec.Ports {
				if p.TargetPort.String() != "https" {
					t.Errorf("the Service goes around the guard: %v", p)
				}
			}
		case *networkingv1.NetworkPolicy:
			if len(o.Spec.Ingress) != 1 || len(o.Spec.Ingress[0].Ports) != 1 || o.Spec.Ingress[0].Ports[0].Port.String() != "https" {
				t.Errorf("got ingress %v, want the guard's port alone", o.Spec.Ingress)
			}
		}
	}
}

// TestGateway holds what a line less would cost.
func TestGateway(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range decode(t, read(t, "../gateway.yaml")) {
		switch o := o.(type) {
		case *securityPolicy:
			seen["SecurityPolicy"] = true
			a := o.Spec.ExtAuth
			if a.FailOpen == nil || *a.FailOpen || a.RecomputeRoute == nil || !*a.RecomputeRoute || len(a.GRPC.BackendRefs) != 1 || o.Spec.TargetRefs[0].Kind != "Gateway" {
				t.Errorf("got %+v, want all of the Gateway refused while nobody can be asked", o.Spec)
			}
		case *clientTrafficPolicy:
			seen["ClientTrafficPolicy"] = true
			if p := o.Spec; p.Path.DisableMergeSlashes == nil || !*p.Path.DisableMergeSlashes || p.Path.EscapedSlashesAction != "KeepUnchanged" || p.Headers.WithUnderscoresAction != "RejectRequest" {
				t.Errorf("got %+v, want paths as they came and no underscores", p)
			}
		case *gatewayv1.HTTPRoute:
			seen["HTTPRoute"] = true
			for _, r := range o.Spec.Rules {
				if len(r.Filters) > 0 || r.Retry != nil {
					t.Errorf("got %+v, want nothing rewritten and nothing sent again", r)
				}
			}
		case *gatewayv1.Gateway:
			seen["Gateway"] = true
			for _, l := range o.Spec.Listeners {
				if l.Protocol != gatewayv1.HTTPSProtocolType {
					t.Errorf("got a listener for %s", l.Protocol)
				}
			}
		case *gatewayv1.BackendTLSPolicy:
			seen["BackendTLSPolicy"] = o.Spec.Validation.Hostname != "" && len(o.Spec.Validation.CACertificateRefs) == 1
		case *networkingv1.NetworkPolicy:
			seen["NetworkPolicy "+o.Name] = len(o.Spec.Ingress) == 1 && len(o.Spec.Ingress[0].From) == 1
		}
	}
	for _, want := range []string{"SecurityPolicy", "ClientTrafficPolicy", "HTTPRoute", "Gateway", "BackendTLSPolicy", "NetworkPolicy app", "NetworkPolicy wiretight-authorizer"} {
		if !seen[want] {
			t.Errorf("gateway.yaml has no %s that does its part", want)
		}
	}
}
