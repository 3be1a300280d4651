import { describedFiles } from '../xds/descriptors.ts';
import { grpcCode } from '../xds/types.ts';
import { answerReflection, type DescriptorIndex, indexFiles } from '../xds/wire-reflection.ts';
import { type Answer, answerInTurn } from './answered-calls.ts';
import { discoveryServices } from './services.ts';
import type { SideCalls } from './side-calls.ts';
import { bytesService, type DuplexCall, type SideService } from './side-service.ts';

/** Server reflection in both its packages: tools ask for what is served here and how its messages look. @param progressMs as for every answer */
export function reflectionServices(calls: SideCalls, progressMs: number): SideService[] {
  // Made when somebody asks: most agents are never asked.
  let files: DescriptorIndex | undefined;

  const answer = async (question: Buffer): Promise<Answer> => {
    files ??= indexFiles(describedFiles(discoveryServices));
    const bytes = answerReflection(question, files);
    return bytes ? { bytes } : { code: grpcCode.invalidArgument, message: 'the request cannot be decoded' };
  };

  return ['grpc.reflection.v1', 'grpc.reflection.v1alpha'].map(name => ({
    definition: bytesService(`${name}.ServerReflection`, { ServerReflectionInfo: 'bidi' }),
    handlers: ({ listener }) => ({
      ServerReflectionInfo: (call: DuplexCall) => {
        if (calls.enter(call, listener)) answerInTurn(call, progressMs, answer);
      },
    }),
  }));
}
