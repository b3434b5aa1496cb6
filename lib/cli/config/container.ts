// A container image of the application, and the objects of Kubernetes that run it.

import { posix } from 'node:path'
import { UsageError } from '../usage-error'
import { type Configuration } from './configuration'
import { addressText, DEFAULT_LISTEN, type Deployment, hostAndPort, type ListenAddress } from './deployment'

/** The port that FastCGI applications have by custom. */
const PORT = 9000
/** Where containers get their addresses from, RFC 1918, RFC 6598 and RFC 4193; and the health check, which is inside. */
const PRIVATE = ['127.0.0.1', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10']
const PRIVATE_IPV6 = ['::1', 'fc00::/7']

export const docker: Configuration = {
  server: 'docker',
  summary: 'a Dockerfile',
  files: (deployment) => [
    { path: 'Dockerfile', text: dockerfile(deployment) },
    { path: '.dockerignore', text: '# What the image makes for itself, and what is nobody\'s business in it.\nnode_modules\n.git\n.env\n*.log\n' },
  ],
}

export const kubernetes: Configuration = {
  server: 'kubernetes',
  summary: 'Deployment, Service and Ingress (ingress-nginx, backend-protocol FCGI)',
  files: (deployment) => [{ path: `${deployment.name}.yaml`, text: manifest(deployment) }],
}

/** Where the application listens inside its container. */
interface Inside {
  /** For FASTCGI_LISTEN. */
  readonly listen: string
  /** For the health check, which runs beside it. */
  readonly check: string
  readonly port: number
  /** For FCGI_WEB_SERVER_ADDRS. */
  readonly clients: string
}

function inside(listen: ListenAddress): Inside | { readonly path: string } {
  if (addressText(listen) === DEFAULT_LISTEN) return onPort('127.0.0.1', PORT)
  if (listen.kind === 'tcp') return onPort(listen.host, listen.port)
  // In a Dockerfile both are taken apart again, after the quotes.
  if (/[$\\]/.test(listen.path)) throw new UsageError(`--listen ${listen.path}: a Dockerfile cannot have a path with a dollar sign or a backslash`)
  return { path: listen.path }
}

function onPort(host: string, port: number): Inside {
  // 127.0.0.1 of a container is nobody else's, so a port alone means all its addresses.
  if (['127.0.0.1', 'localhost', '0.0.0.0'].includes(host)) {
    return { listen: `0.0.0.0:${port}`, check: `127.0.0.1:${port}`, port, clients: PRIVATE.join(',') }
  }
  if (host === '::1' || host === '::') return { listen: `[::]:${port}`, check: `[::1]:${port}`, port, clients: [...PRIVATE, ...PRIVATE_IPV6].join(',') }
  throw new UsageError(`--listen ${hostAndPort({ kind: 'tcp', host, port })}: which address a container will have is not known; use --listen ${port} or --listen [::]:${port}`)
}

function dockerfile({ listen, app, name, mount }: Deployment): string {
  const address = inside(listen)
  const check = 'path' in address ? address.path : address.check
  return `# The application of ${name} as an image. In its folder:  docker build -t ${imageName(name)} .

FROM node:${nodeMajor()}-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev
COPY . .

FROM node:${nodeMajor()}-slim
WORKDIR /app
# Of root: the application can read its own code and not change it.
COPY --from=build /app ./
ENV NODE_ENV=production
${mount === '' ? '' : `# Taken off the path of every request: the application has its routes at /.\nENV FASTCGI_MOUNT=${mount}\n`}${'path' in address ? unixLines(address.path) : tcpLines(address)}
USER node
# node is process 1: it gets the signal itself, and express-fastcgi/register ends it when the running requests have ended.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s CMD ${json(['node_modules/.bin/express-fastcgi', 'check', check])}
CMD ${json(['node', '--import', 'express-fastcgi/register', inImage(app)])}
`
}

function tcpLines({ listen, port, clients }: Inside): string {
  return `ENV FASTCGI_LISTEN=${listen}
# Whoever reaches the port can claim to be any client. Give the address of the web server, or of its network, at
# docker run -e FCGI_WEB_SERVER_ADDRS=...; these are all private networks. Never publish the port (-p) to the world.
ENV FCGI_WEB_SERVER_ADDRS=${clients}
EXPOSE ${port}`
}

function unixLines(path: string): string {
  const folder = posix.dirname(path)
  return `ENV FASTCGI_LISTEN=${json(path)}
# A volume that the web server's container has too. Its user must be in the group of the socket, which is node's (1000):
# docker run --group-add 1000 for that container.
RUN ${json(['install', '-d', '-o', 'node', '-g', 'node', '-m', '0750', folder])}
VOLUME ${json([folder])}`
}

function manifest({ listen, name, mount }: Deployment): string {
  const address = inside(listen)
  if ('path' in address) throw new UsageError('--listen: the Ingress controller is another pod, so use a port, such as --listen 9000')
  const id = objectName(name)
  const host = ingressHost(name)
  const probe = json(['node_modules/.bin/express-fastcgi', 'check', address.check])
  return `# ${name} in Kubernetes, behind ingress-nginx, which speaks FastCGI to it. kubectl apply -f FILE
# The image is that of  express-fastcgi config docker
apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${id}
  labels: { app: ${id} }
spec:
  replicas: 2
  selector:
    matchLabels: { app: ${id} }
  template:
    metadata:
      labels: { app: ${id} }
    spec:
      # The time for preStop and for running requests together; then the pod is killed.
      terminationGracePeriodSeconds: 30
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        # node, in the images of that name
        runAsUser: 1000
        seccompProfile: { type: RuntimeDefault }
      containers:
        - name: app
          image: ${json(`registry.example/${imageName(name)}:1`)}
          env:
            - { name: FASTCGI_LISTEN, value: ${json(address.listen)} }
${mount === '' ? '' : `            # Taken off the path of every request: the application has its routes at /.\n            - { name: FASTCGI_MOUNT, value: ${json(mount)} }\n`}            # Whoever reaches the port can claim to be any client: the addresses of pods in your cluster, and 127.0.0.1 for the probes.
            - { name: FCGI_WEB_SERVER_ADDRS, value: ${json(address.clients)} }
          ports:
            - { name: fastcgi, containerPort: ${address.port} }
          securityContext:
            allowPrivilegeEscalation: false
            capabilities: { drop: [ALL] }
          readinessProbe:
            exec: { command: ${probe} }
            periodSeconds: 10
            timeoutSeconds: 10
          livenessProbe:
            exec: { command: ${probe} }
            initialDelaySeconds: 10
            periodSeconds: 30
            timeoutSeconds: 10
          lifecycle:
            # The controller goes on sending requests until it has heard that the pod leaves.
            preStop:
              exec: { command: ["sleep", "10"] }
---
apiVersion: v1
kind: Service
metadata:
  name: ${id}
spec:
  selector: { app: ${id} }
  ports:
    - { name: fastcgi, port: ${address.port}, targetPort: fastcgi }
---
# Only the Ingress controller may connect, where the network of the cluster keeps such policies.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: ${id}
spec:
  podSelector:
    matchLabels: { app: ${id} }
  policyTypes: [Ingress]
  ingress:
    - from:
        - namespaceSelector:
            matchLabels: { kubernetes.io/metadata.name: ingress-nginx }
      ports:
        - { port: fastcgi }
---
# Params besides those that the controller sends of itself.
apiVersion: v1
kind: ConfigMap
metadata:
  name: ${id}-params
data:
  # Clients cannot set it: it is their header "Proxy" otherwise.
  HTTP_PROXY: ""
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: ${id}
  annotations:
    nginx.ingress.kubernetes.io/backend-protocol: "FCGI"
    # In the namespace of this Ingress.
    nginx.ingress.kubernetes.io/fastcgi-params-configmap: ${json(`${id}-params`)}
    nginx.ingress.kubernetes.io/proxy-body-size: "64m"
spec:
  ingressClassName: nginx
  rules:
    - host: ${json(host)}
      http:
        paths:
          - path: ${json(mount === '' ? '/' : mount)}
            pathType: Prefix
            backend:
              service:
                name: ${id}
                port: { name: fastcgi }
`
}

/** JSON is what exec forms of a Dockerfile are written in, and YAML as well. */
function json(value: string | readonly string[]): string {
  return Array.isArray(value) ? `[${value.map((one) => JSON.stringify(one)).join(', ')}]` : JSON.stringify(value)
}

/** The main file as seen from the folder that the image is made of, which is where the command runs. */
function inImage(app: string): string {
  const path = posix.relative(process.cwd(), app)
  return path.startsWith('../') ? posix.basename(app) : path
}

function nodeMajor(): string {
  return process.versions.node.split('.')[0] ?? ''
}

function imageName(name: string): string {
  return name.toLowerCase().replace(/[.-]+$/, '')
}

/** What YAML 1.1 takes for something else than a text. */
const NO_TEXT = /^(?:y|yes|n|no|on|off|true|false|null)$/

/** Names of objects are labels of the DNS that begin with a letter, RFC 1035. */
function objectName(name: string): string {
  const label = name.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '')
  return (/^[a-z]/.test(label) && !NO_TEXT.test(label) ? label : `app-${label}`).slice(0, 50).replace(/-$/, '')
}

function ingressHost(name: string): string {
  const host = name.toLowerCase()
  const isName = host.split('.').every((label) => /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(label))
  if (isName && !/^[0-9.]+$/.test(host)) return host
  throw new UsageError(`--name ${name}: an Ingress takes a name of the DNS`)
}
