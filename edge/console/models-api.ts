import type { FastifyInstance } from "fastify";
import { Type, type Static, type TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { refuse, type Access } from "../../src/http/access.ts";
import type { ConsoleActions, ModelAction } from "./view.ts";

export interface ModelsApiParts {
  readonly actions: ConsoleActions;
  readonly access: Access;
}

/** Which names and versions there are, and what they look like, the store knows. */
const name = Type.String({ minLength: 1, maxLength: 63 });
const reason = Type.Optional(Type.String({ maxLength: 200 }));
const named = Type.Object({ name, reason });
const promotion = Type.Object({ name, version: Type.String({ minLength: 1, maxLength: 32 }), reason });

/** What may be done about the packaged models that run. */
export function addModelsApi(server: FastifyInstance, { actions, access }: ModelsApiParts): void {
  const route = <Body extends TSchema>(
    kind: ModelAction["kind"],
    body: Body,
    actionOf: (body: Static<Body>) => ModelAction,
  ): void => {
    const check = Compile(body);
    server.post(`/api/v1/models/${kind}`, async (request, reply) => {
      const given = request.body;
      if (!check.Check(given)) return refuse(reply, 400, "BAD_REQUEST");
      const outcome = await actions.changeModels(actionOf(given), access.actorOf(request));
      return outcome.kind === "done" ? { outcome: "done" } : refuse(reply, 409, "MODEL_REFUSED", outcome.message);
    });
  };
  route("promote", promotion, ({ name: model, version, reason: why }) => ({
    kind: "promote",
    name: model,
    version,
    reason: (why ?? "").trim(),
  }));
  for (const kind of ["rollback", "end-canary", "end-shadow"] as const) {
    route(kind, named, ({ name: model, reason: why }) => ({ kind, name: model, reason: (why ?? "").trim() }));
  }
}
