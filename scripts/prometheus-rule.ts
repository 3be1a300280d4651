/** deploy/observability/prometheus-rule.yaml: the rules as the Prometheus Operator takes them. @param rules text of rules.yaml */
export function prometheusRule(rules: string): string {
  const groups = rules.slice(rules.indexOf('groups:'));
  const head = [
    '# rules.yaml for the Prometheus Operator, made by `npm run docs`; do not edit.',
    'apiVersion: monitoring.coreos.com/v1',
    'kind: PrometheusRule',
    'metadata:',
    '  name: weir',
    '  labels:',
    '    app.kubernetes.io/name: weir',
    'spec:',
  ];
  const lines = groups.trimEnd().split('\n');
  return `${[...head, ...lines.map(line => (line === '' ? '' : `  ${line}`))].join('\n')}\n`;
}
