import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as kubernetes from '@kubernetes/client-node';
import { objectOf, textIn } from '../../src/kube/data.ts';

/** A field as the classes of client-node describe it, which are made from the OpenAPI schema of Kubernetes. */
interface Attribute {
  readonly baseName: string;
  readonly type: string;
}

const models = join(dirname(fileURLToPath(import.meta.resolve('@kubernetes/client-node'))), 'gen', 'models');
const classes: ReadonlyMap<string, unknown> = new Map(Object.entries(kubernetes));
const required = new Map<string, readonly string[]>();

/** Classes are named by version and kind: `V1Deployment`. Kinds of nobody's but Kubernetes' are known. */
function classOf(apiVersion: string, kind: string): string | undefined {
  if (/\./.test(apiVersion.split('/')[0] ?? '') && !apiVersion.includes('.k8s.io/')) return undefined;
  const version = apiVersion.split('/').at(-1) ?? '';
  return `${version[0]?.toUpperCase()}${version.slice(1)}${kind}`;
}

/**
 * What is wrong with an object by the OpenAPI schema of Kubernetes: fields that it does not know, that have another type, or that are missing.
 * A kind of somebody else is looked at from `spec.template` on.
 */
export function schemaProblems(object: unknown): readonly string[] {
  const data = objectOf(object);
  const kind = textIn(data, 'kind') ?? '';
  if (kind === 'List' && Array.isArray(data?.['items'])) {
    return data['items'].flatMap((item: unknown, at) => schemaProblems(item).map(one => `items[${at}]: ${one}`));
  }
  const name = classOf(textIn(data, 'apiVersion') ?? '', kind);
  if (name === undefined) {
    return problemsOf(objectOf(data?.['spec'])?.['template'], 'V1PodTemplateSpec', 'spec.template');
  }
  return attributesOf(name) ? problemsOf(object, name, '') : [`${kind} is no kind of Kubernetes`];
}

function attributesOf(name: string): readonly Attribute[] | undefined {
  const found = classes.get(name);
  if (typeof found !== 'function' || !('getAttributeTypeMap' in found)) return undefined;
  // Each generated class has it.
  return (found.getAttributeTypeMap as () => readonly Attribute[])();
}

/** Fields without a question mark in the declaration of the class. */
function requiredOf(name: string): readonly string[] {
  let names = required.get(name);
  if (!names) {
    const text = readFileSync(join(models, `${name}.d.ts`), 'utf8');
    names = [...text.matchAll(/^ {4}'([^']+)': /gm)].map(([, field = '']) => field);
    required.set(name, names);
  }
  return names;
}

function problemsOf(value: unknown, type: string, path: string): string[] {
  if (value === null || value === undefined) return [];
  const list = /^Array<(.+)>$/.exec(type)?.[1];
  if (list !== undefined) {
    if (!Array.isArray(value)) return [`${path} must be a list`];
    return value.flatMap((item: unknown, at) => problemsOf(item, list, `${path}[${at}]`));
  }
  const values = /^\{ \[key: string\]: (.+); \}$/.exec(type)?.[1];
  if (values !== undefined) {
    const object = objectOf(value);
    if (!object) return [`${path} must be a map`];
    return Object.entries(object).flatMap(([key, item]) => problemsOf(item, values, `${path}.${key}`));
  }
  switch (type) {
    case 'any':
    case 'object':
      return [];
    case 'string':
    case 'number':
    case 'boolean':
      return typeof value === type ? [] : [`${path} must be a ${type}, not ${JSON.stringify(value)}`];
    case 'IntOrString':
      return typeof value === 'string' || Number.isInteger(value) ? [] : [`${path} must be a number or a string`];
    case 'Date':
    case 'V1MicroTime':
      return typeof value === 'string' || value instanceof Date ? [] : [`${path} must be a time`];
  }
  const attributes = attributesOf(type);
  if (!attributes) return [`${path} has a type ${type} that is not known`];
  const object = objectOf(value);
  if (!object) return [`${path} must be an object`];
  const problems = Object.entries(object).flatMap(([key, item]) => {
    const attribute = attributes.find(one => one.baseName === key);
    const place = path === '' ? key : `${path}.${key}`;
    return attribute ? problemsOf(item, attribute.type, place) : [`${place} is no field of ${type}`];
  });
  for (const field of requiredOf(type)) {
    if (object[field] === undefined) problems.push(`${path}.${field} is missing`);
  }
  return problems;
}
