// SPDX-License-Identifier: Apache-2.0

// What would a real istiod push to the sidecars of these objects? It runs Istio's own push code in this process: no API
// server, no network, no image. Built and called by tests/peers/istio/istiod.
//
//	render -expand PATH...   the objects of these files and folders, and with them what controllers and kubelets would
//	                         make of them: addresses, pods that run, EndpointSlices. YAML
//	   -namespace NS              where objects go that name no namespace (default: default)
//	   -bare NS/POD,...           pods that have no sidecar
//	   -without KIND/NS/NAME,...  objects left out
//	render FILE...           the listeners, routes, clusters and endpoints of sidecars. JSON, one entry a pod
//	   -proxies NS/POD,...        of which pods (default: every pod with a sidecar)
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/test"
)

const sidecar = "istio-proxy"

type object = map[string]any

// One document of a YAML file: its text, and as much of it as decides what it is.
type document struct {
	text       string
	APIVersion string
	Kind       string
	Metadata   struct{ Name, Namespace string }
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "render: "+format+"\n", args...)
	os.Exit(1)
}

func read(files []string) (docs []document) {
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			fail("%v", err)
		}
		for _, part := range strings.Split("\n"+string(text), "\n---\n") {
			d := document{text: strings.TrimSpace(part)}
			if err := yaml.Unmarshal([]byte(part), &d); err != nil {
				fail("%s: %v", file, err)
			}
			if d.Kind != "" {
				docs = append(docs, d)
			}
		}
	}
	return docs
}

func (d document) istio() bool { return strings.Contains(d.APIVersion, "istio.io/") }

func decode[T any](d document) (v T) {
	if err := yaml.Unmarshal([]byte(d.text), &v); err != nil {
		fail("%s %s: %v", d.Kind, d.Metadata.Name, err)
	}
	return v
}

// ---------------------------------------------------------------------------------------------- -expand

// Istio's rule, as far as these manifests use it: the pod's own label, else the namespace's.
func injected(pod map[string]string, namespace map[string]string) bool {
	if v, ok := pod["sidecar.istio.io/inject"]; ok {
		return v == "true"
	}
	return namespace["istio-injection"] == "enabled"
}

type endpoint struct {
	address, pod, namespace string
	labels                  map[string]string
}

func runningPod(d appsv1.Deployment, name, address, node string, withSidecar bool) object {
	labels := object{}
	for k, v := range d.Spec.Template.Labels {
		labels[k] = v
	}
	var ports []object
	for _, p := range d.Spec.Template.Spec.Containers[0].Ports {
		ports = append(ports, object{"name": p.Name, "containerPort": p.ContainerPort, "protocol": string(p.Protocol)})
	}
	app := object{"name": "app", "image": d.Spec.Template.Spec.Containers[0].Image}
	if len(ports) > 0 {
		app["ports"] = ports
	}
	spec := object{
		"serviceAccountName": d.Spec.Template.Spec.ServiceAccountName, "nodeName": node, "containers": []object{app},
	}
	if withSidecar {
		labels["security.istio.io/tlsMode"] = "istio"
		spec["initContainers"] = []object{{"name": sidecar, "image": "sidestep.dev/lab/istio-proxy:1", "restartPolicy": "Always"}}
	}
	return object{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": object{"name": name, "namespace": d.Namespace, "labels": labels},
		"spec":     spec,
		"status": object{
			"phase": "Running", "podIP": address, "podIPs": []object{{"ip": address}},
			"conditions": []object{{"type": "Ready", "status": "True"}},
		},
	}
}

func slice(s corev1.Service, endpoints []endpoint) object {
	var ports, members []object
	for _, p := range s.Spec.Ports {
		ports = append(ports, object{"name": p.Name, "port": p.TargetPort.IntValue(), "protocol": string(p.Protocol)})
	}
	for _, e := range endpoints {
		if e.namespace != s.Namespace || len(s.Spec.Selector) == 0 {
			continue
		}
		selected := true
		for k, v := range s.Spec.Selector {
			selected = selected && e.labels[k] == v
		}
		if selected {
			members = append(members, object{
				"addresses": []string{e.address}, "conditions": object{"ready": true, "serving": true, "terminating": false},
				"targetRef": object{"kind": "Pod", "name": e.pod, "namespace": e.namespace},
			})
		}
	}
	return object{
		"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
		"metadata": object{
			"name": s.Name + "-1", "namespace": s.Namespace, "labels": object{"kubernetes.io/service-name": s.Name},
		},
		"ports": ports, "endpoints": members,
	}
}

// The files named, and those in the folders named; objects left out and namespaces filled in.
func load(paths []string, namespace string, without []string) (docs []document) {
	var files []string
	for _, path := range paths {
		found, _ := filepath.Glob(filepath.Join(path, "*.yaml"))
		if found == nil {
			found = []string{path}
		}
		slices.Sort(found)
		files = append(files, found...)
	}
	for _, d := range read(files) {
		o := decode[object](d)
		if d.Metadata.Namespace == "" && d.Kind != "Namespace" {
			d.Metadata.Namespace = namespace
			o["metadata"].(object)["namespace"] = namespace
		}
		text, err := yaml.Marshal(o)
		if err != nil {
			fail("%v", err)
		}
		d.text = string(text)
		if !slices.Contains(without, d.Kind+"/"+d.Metadata.Namespace+"/"+d.Metadata.Name) {
			docs = append(docs, d)
		}
	}
	return docs
}

func expand(docs []document, bare []string) {
	var out []any
	var services []corev1.Service
	var endpoints []endpoint
	namespaces := map[string]map[string]string{}
	for _, d := range docs {
		switch d.Kind {
		case "Namespace":
			namespaces[d.Metadata.Name] = decode[corev1.Namespace](d).Labels
			out = append(out, decode[object](d))
		case "Service":
			s := decode[corev1.Service](d)
			o := decode[object](d)
			o["spec"].(object)["clusterIP"] = fmt.Sprintf("10.96.1.%d", len(services)+1)
			services, out = append(services, s), append(out, o)
		case "Deployment", "PodDisruptionBudget":
		default:
			out = append(out, decode[object](d))
		}
	}
	for _, d := range docs {
		if d.Kind != "Deployment" {
			continue
		}
		dep := decode[appsv1.Deployment](d)
		for i := int32(0); i < *dep.Spec.Replicas; i++ {
			name := fmt.Sprintf("%s-%d", dep.Name, i+1)
			node := i%2 + 1
			address := fmt.Sprintf("10.244.%d.%d", node, len(endpoints)+10)
			withSidecar := injected(dep.Spec.Template.Labels, namespaces[dep.Namespace]) &&
				!slices.Contains(bare, dep.Namespace+"/"+name)
			out = append(out, runningPod(dep, name, address, fmt.Sprintf("node-%d", node), withSidecar))
			endpoints = append(endpoints, endpoint{address, name, dep.Namespace, dep.Spec.Template.Labels})
		}
	}
	for _, s := range services {
		out = append(out, slice(s, endpoints))
	}
	for i, o := range out {
		text, err := yaml.Marshal(o)
		if err != nil {
			fail("%v", err)
		}
		if i > 0 {
			fmt.Println("---")
		}
		fmt.Print(string(text))
	}
}

// ---------------------------------------------------------------------------------------------- rendering

func messages[T proto.Message](in []T) []json.RawMessage {
	out := []json.RawMessage{}
	for _, m := range in {
		text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
		if err != nil {
			fail("%v", err)
		}
		out = append(out, text)
	}
	return out
}

func hasSidecar(p corev1.Pod) bool {
	for _, c := range append(p.Spec.InitContainers, p.Spec.Containers...) {
		if c.Name == sidecar {
			return true
		}
	}
	return false
}

func render(files, proxies []string) {
	var kube, istio strings.Builder
	var pods []corev1.Pod
	for _, d := range read(files) {
		if d.istio() {
			istio.WriteString("\n---\n" + d.text + "\n")
			continue
		}
		kube.WriteString("\n---\n" + d.text + "\n")
		if d.Kind == "Pod" {
			p := decode[corev1.Pod](d)
			named := slices.Contains(proxies, p.Namespace+"/"+p.Name)
			if named || len(proxies) == 0 && hasSidecar(p) {
				pods = append(pods, p)
			}
		}
	}
	if len(pods) == 0 || len(proxies) > len(pods) {
		fail("no such pod among the objects")
	}
	configs, _, err := crd.ParseInputs(istio.String())
	if err != nil {
		fail("%v", err)
	}
	for i := range configs { // as istiod's client of the API server does: without it short names are not resolved
		configs[i].Domain = "cluster.local"
	}
	out := map[string]any{}
	err = test.Wrap(func(t test.Failer) {
		s := xds.NewFakeDiscoveryServer(t, xds.FakeOptions{KubernetesObjectString: kube.String(), Configs: configs})
		time.Sleep(200 * time.Millisecond) // Istio's fake informers offer nothing to wait for
		for _, pod := range pods {
			p := s.SetupProxy(&model.Proxy{
				Type: model.SidecarProxy, ConfigNamespace: pod.Namespace, Labels: pod.Labels,
				IPAddresses: []string{pod.Status.PodIP},
				Metadata: &model.NodeMetadata{
					Namespace: pod.Namespace, Labels: pod.Labels, ServiceAccount: pod.Spec.ServiceAccountName,
					ClusterID: "Kubernetes", IstioVersion: "1.31.0",
				},
			})
			listeners := s.Listeners(p)
			out[pod.Namespace+"/"+pod.Name] = object{
				"listeners": messages(listeners), "routes": messages(s.RoutesFromListeners(p, listeners)),
				"clusters": messages(s.Clusters(p)), "endpoints": messages(s.Endpoints(p)),
			}
		}
	})
	if err != nil {
		fail("%v", err)
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", " ")
	if err := enc.Encode(out); err != nil {
		fail("%v", err)
	}
}

func names(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

func main() {
	expanding := flag.Bool("expand", false, "print the objects with what controllers would make of them")
	namespace := flag.String("namespace", "default", "where objects go that name no namespace")
	bare := flag.String("bare", "", "pods that have no sidecar")
	without := flag.String("without", "", "objects left out")
	proxies := flag.String("proxies", "", "of which pods (default: every pod with a sidecar)")
	flag.Parse()
	for _, s := range log.Scopes() {
		s.SetOutputLevel(log.NoneLevel)
	}
	if *expanding {
		expand(load(flag.Args(), *namespace, names(*without)), names(*bare))
	} else {
		render(flag.Args(), names(*proxies))
	}
}
