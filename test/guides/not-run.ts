/**
 * The shell blocks of the guides that no test can run as they are written, by document and first line, with the
 * reason. A test that a reason names runs the same with other programs or versions.
 */
const REGISTRY = "downloads packages from a registry";
const DOCKER =
  "test/installation/image.thorough.test.ts builds and starts the image with a real Docker";
const FORGE =
  "needs a forge; src/server/features/work/forges tries the calls with doubles of the three kinds";
const HELM =
  "needs a cluster; test/installation/helm-chart.thorough.test.ts renders the chart with these values";
const PROXY =
  "changes the machine; test/installation/proxies.thorough.test.ts runs this proxy with this file";
const DOCTOR =
  "needs a proxy with TLS; test/installation/doctor.thorough.test.ts runs it behind both proxies";
const REVIEWERS =
  "src/server/features/work/reviews/opinions/opinions.thorough.test.ts asks stand-ins of the programs, and test/real-agents the real ones";
const CLAUDE = "test/real-agents/mcp-guide.thorough.test.ts runs it with the real Claude Code";
const RECOVERY =
  "needs a PostgreSQL that archives; test/installation/point-in-time-recovery.thorough.test.ts runs it";
const PACKAGE = `${REGISTRY}; test/installation/package.thorough.test.ts packs it and serves`;
const APT = "installs packages of the system";

export const notRun: Record<string, Record<string, string>> = {
  "README.md": {
    "npm test             # all tests": "runs all tests, this one among them",
  },
  "CONTRIBUTING.md": {
    "npm run dev                     # server and web app from their sources, on http://127.0.0.1:8080":
      "commands of contributors, which run all tests",
    "npx vitest run --project api test/documents/reference.test.ts --update":
      "changes the repository; test/documents/reference.test.ts runs it without --update",
  },
  "AGENTS.md": {
    "npm run check               # types, lint, import rules, format, unused code; run it before every commit":
      "commands of contributors, which run all tests",
  },
  "docs/how-to/review-a-change.md": {
    "omoi review ask shop#12 --preset claude-code --prompt 'Look at the rounding'": REVIEWERS,
    "omoi review dismiss OPINION --reason 'The rounding is meant to be so'": REVIEWERS,
  },
  "docs/how-to/install.md": {
    "npx omoi serve": PACKAGE,
    "apt-get install git bubblewrap passt iproute2   # the last three: the sandbox of runs": APT,
    "useradd --system --home-dir /var/lib/omoi --shell /usr/sbin/nologin omoi":
      "changes the machine; test/installation/systemd-unit.thorough.test.ts runs a server under the unit's rights",
    "docker build --file deploy/Dockerfile --build-arg SOURCE_COMMIT=$(git rev-parse HEAD) --tag omoi .":
      DOCKER,
    "export OMOI_DATABASE_PASSWORD=… OMOI_PUBLIC_URL=https://omoi.example.com":
      "needs Docker Compose and images of a registry",
    "helm install omoi deploy/helm/omoi --set image.repository=registry.example.com/omoi --set image.tag=0.2.0 \\":
      HELM,
    "docker pull node:24": REGISTRY,
  },
  "docs/how-to/command-line.md": {
    "npm ci && npm run package": `${REGISTRY}; test/cli/pack.thorough.test.ts packs, installs and runs the command`,
  },
  "docs/how-to/run-commands.md": {
    "npm install --global @agentclientprotocol/claude-agent-acp@latest @agentclientprotocol/codex-acp":
      REGISTRY,
    "DIR=/usr/local/lib/claude-agent-acp": REGISTRY,
  },
  "docs/how-to/mcp.md": {
    'claude mcp add --transport http omoi https://omoi.example.com/mcp --header "Authorization: Bearer $KEY"':
      CLAUDE,
    "claude mcp add omoi -- npx omoi mcp": CLAUDE,
    'claude -p "Which agents wait for me?" --allowedTools mcp__omoi__list_work,mcp__omoi__list_agents':
      CLAUDE,
  },
  "docs/how-to/connect-a-forge.md": {
    "omoi forge accounts": FORGE,
    "omoi forge set-person github.com ann ann@example.com": FORGE,
  },
  "docs/how-to/connect-github.md": {
    "omoi forge add github https://github.com < token.txt": FORGE,
    "omoi project link-repository shop github.com acme/shop": FORGE,
    "omoi pr open 12 --labels bug": FORGE,
  },
  "docs/how-to/connect-gitlab.md": {
    "omoi forge add gitlab https://gitlab.com < token.txt": FORGE,
    "omoi project link-repository shop gitlab.com acme/shop": FORGE,
    "omoi pr open 12 --labels bug": FORGE,
  },
  "docs/how-to/connect-gitea.md": {
    "omoi forge add gitea https://git.example.com < token.txt": FORGE,
    "omoi project link-repository shop git.example.com acme/shop": FORGE,
    "omoi pr open 12 --labels bug": FORGE,
  },
  "docs/how-to/automations.md": {
    "omoi automation create shop --body @weekly.json":
      "test/cli/automations.test.ts runs it with a scripted program",
  },
  "docs/how-to/slack.md": {
    "export OMOI_URL=https://omoi.example.com OMOI_WEBHOOK_SECRET=whsec_… SLACK_WEBHOOK_URL=https://hooks.slack.com/services/…":
      "serves until it is stopped; test/guides/slack.thorough.test.ts runs the script with a scripted Slack",
  },
  "docs/how-to/proxy.md": {
    "apt-get install nginx": PROXY,
    "apt-get install caddy": PROXY,
  },
  "docs/how-to/check-an-installation.md": {
    "omoi doctor": DOCTOR,
    "$ omoi doctor --quick": DOCTOR,
  },
  "docs/how-to/grafana.md": {
    "install -o prometheus -g prometheus -m 400 omoi-token /etc/prometheus/omoi-token":
      "needs the user of Prometheus; test/guides/grafana.thorough.test.ts runs Prometheus with these files",
  },
  "docs/how-to/kubernetes.md": {
    "helm install omoi deploy/helm/omoi --set image.repository=registry.example.com/omoi --set image.tag=0.2.0 \\":
      HELM,
    "kubectl create secret generic omoi --from-literal=database-url=postgres://omoi:secret@db.internal/omoi \\":
      "needs a cluster",
    "kubectl scale statefulset omoi --replicas=0": "needs a cluster",
    "helm upgrade omoi deploy/helm/omoi --values omoi.yaml --set cluster.enabled=true": HELM,
    "KUBECONFIG=/etc/omoi/kubeconfig OMOI_KUBERNETES_NAMESPACE=omoi-runs \\": "needs a cluster",
    "omoi workspace create AGENT --workspace-type kubernetes": "needs a cluster",
    "kubectl --namespace omoi-runs get jobs,pods --selector app.kubernetes.io/managed-by=omoi":
      "needs a cluster",
  },
  "docs/how-to/upgrade.md": {
    "npx omoi admin load-dump data/dumps/before-….sql.gz":
      "needs two versions; test/installation/way-back.thorough.test.ts runs it after an upgrade",
  },
  "docs/how-to/backup.md": {
    "mkdir -p /mnt/postgresql/base": RECOVERY,
    'cp -a /mnt/postgresql/base/2026-11-29 "$PGDATA"': RECOVERY,
  },
  "docs/how-to/several-servers.md": {
    "$ omoi admin project move acme/shop node-2":
      "needs a second server; src/server/features/operation/project-moves/move-project.thorough.test.ts moves projects",
    "$ omoi admin node adopt node-1 --from-folder /mnt/node-1":
      "needs a lost server; src/server/admin/adopt-node.test.ts adopts one",
    "$ omoi admin node adopt node-1 --from-backup s3://backups/omoi/node-1/2026-11-28":
      "needs a lost server; src/server/backup/adopt-backup.thorough.test.ts adopts its backup",
  },
  "docs/reference/api-conventions.md": {
    "npx openapi-typescript https://omoi.example.com/api/v1/openapi.json -o omoi.ts": `${REGISTRY}; test/documents/openapi-tools.thorough.test.ts runs these generators`,
  },
};
