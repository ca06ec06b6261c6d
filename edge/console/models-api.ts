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
const version = Type.String({ minLength: 1, maxLength: 32 });
const versioned = Type.Object({ name, version, reason });
const places = (maxLength: number) => Type.Array(Type.String({ minLength: 1, maxLength }), { maxItems: 64 });
const placed = Type.Object({ name, version, devices: places(128), paths: places(256), reason });

/** What may be done about the packaged models. */
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
  for (const kind of ["promote", "shadow"] as const) {
    route(kind, versioned, (given) => ({ kind, ...given, reason: (given.reason ?? "").trim() }));
  }
  route("canary", placed, (given) => ({ kind: "canary", ...given, reason: (given.reason ?? "").trim() }));
  for (const kind of ["rollback", "end-canary", "end-shadow"] as const) {
    route(kind, named, (given) => ({ kind, ...given, reason: (given.reason ?? "").trim() }));
  }
}
