import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { Type, type Static, type TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { refuse, type Access } from "../../src/http/access.ts";
import { oneOf } from "../../src/wire/fields.ts";
import { alertReasonCharsMax, alertVerdicts, shelveSecondsMax } from "../../src/wire/records.ts";
import { alertScreen } from "./screens.ts";
import type { AlertAction, ConsoleActions, ConsoleView } from "./view.ts";

export interface AlertsApiParts {
  readonly view: ConsoleView;
  readonly actions: ConsoleActions;
  readonly access: Access;
}

const scope = {
  device: Type.String({ minLength: 1, maxLength: 128 }),
  metric: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
};
/** Whoever finds an alert missing must find out why. */
const reason = Type.String({ minLength: 1, maxLength: alertReasonCharsMax, pattern: "\\S" });
const acknowledgement = Type.Object({ episode: Type.String({ minLength: 1, maxLength: 64 }) });
const judgement = Type.Object({
  episode: Type.String({ minLength: 1, maxLength: 64 }),
  verdict: oneOf(...alertVerdicts),
  note: Type.Optional(Type.String({ maxLength: alertReasonCharsMax })),
});
const shelving = Type.Object({
  ...scope,
  seconds: Type.Integer({ minimum: 60, maximum: shelveSecondsMax }),
  reason,
});
const takingOut = Type.Object({ ...scope, reason });
const bringingBack = Type.Object(scope);

/** One alert, and what may be done about alerts. */
export function addAlertsApi(server: FastifyInstance, { view, actions, access }: AlertsApiParts): void {
  server.get<{ Params: { episode: string } }>(
    "/api/v1/alerts/:episode",
    async ({ params }, reply) => alertScreen(view, params.episode) ?? refuse(reply, 404, "NOT_FOUND"),
  );

  server.get<{ Params: { episode: string } }>(
    "/api/v1/alerts/:episode/window",
    async ({ params }, reply) => (await view.alertWindow(params.episode)) ?? refuse(reply, 404, "NOT_FOUND"),
  );

  const act = async (
    action: AlertAction,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<AlertAnswer | FastifyReply> => {
    const outcome = await actions.changeAlerts(action, access.actorOf(request));
    switch (outcome) {
      case "done":
        return { outcome };
      case "gone":
        return refuse(reply, 404, "NOT_FOUND");
      case "full":
        return refuse(reply, 409, "TOO_MANY_SUPPRESSED");
      case "abandoned":
        return refuse(reply, 503, "STOPPING");
    }
  };
  const route = <Body extends TSchema>(
    kind: AlertAction["kind"],
    body: Body,
    actionOf: (body: Static<Body>) => AlertAction,
  ): void => {
    const check = Compile(body);
    server.post(`/api/v1/alerts/${kind}`, async (request, reply) => {
      const given = request.body;
      return check.Check(given) ? act(actionOf(given), request, reply) : refuse(reply, 400, "BAD_REQUEST");
    });
  };
  route("acknowledge", acknowledgement, ({ episode }) => ({ kind: "acknowledge", episode }));
  route("feedback", judgement, ({ episode, verdict, note }) => ({
    kind: "feedback",
    episode,
    verdict,
    note: (note ?? "").trim(),
  }));
  route("shelve", shelving, ({ device, metric, seconds, reason: why }) => ({
    kind: "shelve",
    device,
    metric,
    seconds,
    reason: why.trim(),
  }));
  route("out-of-service", takingOut, ({ device, metric, reason: why }) => ({
    kind: "out-of-service",
    device,
    metric,
    reason: why.trim(),
  }));
  for (const kind of ["unshelve", "in-service"] as const) {
    route(kind, bringingBack, ({ device, metric }) => ({ kind, device, metric }));
  }
}

export interface AlertAnswer {
  readonly outcome: "done";
}
