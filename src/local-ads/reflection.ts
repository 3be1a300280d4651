import type { ServerDuplexStream } from '@grpc/grpc-js';
import { describedFiles } from '../xds/descriptors.ts';
import { grpcCode } from '../xds/types.ts';
import { answerReflection, type DescriptorIndex, indexFiles } from '../xds/wire-reflection.ts';
import { discoveryServices } from './services.ts';
import type { SideCalls } from './side-calls.ts';
import { bytesService, type SideService } from './side-service.ts';

type Call = ServerDuplexStream<Buffer, Buffer>;

/** Server reflection in both its packages: tools ask for what is served here and how its messages look. */
export function reflectionServices(calls: SideCalls): SideService[] {
  // Made when somebody asks: most agents are never asked.
  let files: DescriptorIndex | undefined;

  const info = (call: Call): void => {
    if (!calls.enter(call)) return;
    call.on('data', (request: Buffer) => {
      files ??= indexFiles(describedFiles(discoveryServices));
      const answer = answerReflection(request, files);
      if (!answer) {
        call.emit('error', { code: grpcCode.invalidArgument, details: 'the request cannot be decoded' });
        return;
      }
      // One question at a time, so that nobody can have answers pile up.
      call.pause();
      call.write(answer, () => call.resume());
    });
    call.on('end', () => call.end());
    call.on('error', () => {}); // A broken connection; the call is over.
  };

  return ['grpc.reflection.v1', 'grpc.reflection.v1alpha'].map(name => ({
    definition: bytesService(`${name}.ServerReflection`, { ServerReflectionInfo: 'bidi' }),
    handlers: () => ({ ServerReflectionInfo: info }),
  }));
}
