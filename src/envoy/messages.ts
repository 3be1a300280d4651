import { makeCatalog } from '../proto/catalog.ts';
import { wellKnown } from '../proto/well-known.ts';
import { envoyTables } from './tables.ts';

/** Envoy's messages, as far as control planes send them. */
export const envoyMessages = makeCatalog([wellKnown, ...envoyTables]);
