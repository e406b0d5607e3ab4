"""A task as Infosys' SMTP template writes it, deployed and run on the engine: nothing in the diagram is changed."""

from __future__ import annotations

import json

import pytest

from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.testing.servers import SmtpServer

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

# The inputs as the Modeler exports them, with choices as `${true}`. Fields left empty have no source there, which
# engines before 8.8 refuse to deploy; so their users write `=null`.
DIAGRAM = """<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" xmlns:modeler="http://camunda.org/schema/modeler/1.0"
  id="definitions" targetNamespace="http://bpmn.io/schema/bpmn">
  <bpmn:process id="infosys-smtp" isExecutable="true">
    <bpmn:startEvent id="start" />
    <bpmn:sequenceFlow id="one" sourceRef="start" targetRef="task" />
    <bpmn:serviceTask id="task" zeebe:modelerTemplate="com.infosys.camundaconnectors.email.smtp.v1">
      <bpmn:extensionElements>
        <zeebe:taskDefinition type="com.infosys.camundaconnectors.email:smtp:1" />
        <zeebe:ioMapping>
          <zeebe:input source="127.0.0.1" target="authentication.hostname" />
          <zeebe:input source="{port}" target="authentication.port" />
          <zeebe:input source="mailer" target="authentication.username" />
          <zeebe:input source="secrets.SMTP_PASSWORD" target="authentication.password" />
          <zeebe:input source="=&#34;mailer@example.com&#34;" target="smtpEmailMailBoxName" />
          <zeebe:input source="=[ &#34;a@example.com&#34;, &#34;b@example.com&#34; ]" target="smtpEmailToRecipients" />
          <zeebe:input source="=null" target="smtpEmailCcRecipients" />
          <zeebe:input source="=null" target="smtpEmailBccRecipients" />
          <zeebe:input source="=&#34;Order &#34; + string(orderId)" target="smtpEmailSubject" />
          <zeebe:input source="Text" target="smtpEmailContentType" />
          <zeebe:input source="=&#34;Thank you.&#34;" target="smtpEmailContent" />
          <zeebe:input source="=null" target="smtpEmailAttachments" />
          <zeebe:input source="${true}" target="smtpEmailImportance" />
          <zeebe:input source="${false}" target="smtpEmailReadReceipt" />
          <zeebe:input source="=null" target="smtpEmailFollowUp" />
          <zeebe:input source="=null" target="smtpEmailDirectReplyTo" />
          <zeebe:input source="Normal" target="smtpEmailSensitivity" />
        </zeebe:ioMapping>
        <zeebe:taskHeaders>
          <zeebe:header key="resultVariable" value="mail" />
          <zeebe:header key="resultExpression" value="={ mailSent: response.result }" />
        </zeebe:taskHeaders>
      </bpmn:extensionElements>
    </bpmn:serviceTask>
    <bpmn:sequenceFlow id="two" sourceRef="task" targetRef="end" />
    <bpmn:endEvent id="end" />
  </bpmn:process>
</bpmn:definitions>
"""


async def test_a_diagram_of_infosys_users_runs(zeebe, tmp_path):
    """The mail arrives, and the result is what their expressions read."""
    environment = Environment((
        "environment",
        {
            "ZEEBE_ADDRESS": zeebe.grpc_address,
            "ZEEBE_INSECURE_CONNECTION": "true",
            "ZEEBE_CONNECTORS_DATA": str(tmp_path),
            "CONNECTOR_OUTBOUND_ENABLED": "smtp-infosys",
            "SECRET_SMTP_PASSWORD": "s3cret",
        },
    ))  # fmt: skip
    settings = Settings.read(environment)
    runtime = Runtime(settings, Registry.installed(), ZeebeGateway(settings.cluster), environment=environment)
    async with SmtpServer(users={"mailer": "s3cret"}) as server:
        runtime.start()
        try:
            diagram = DIAGRAM.replace("{port}", str(server.port)).encode()
            await runtime.gateway.deploy({"infosys.bpmn": diagram})
            _, text = await runtime.gateway.run_process("infosys-smtp", payload='{"orderId": 42}', seconds=60)
        finally:
            await runtime.drain()
    variables = json.loads(text)
    assert (variables["mailSent"], variables["mail"]["response"]) == ("SUCCESS", "Mail sent successfully")
    (mail,) = server.mails
    assert (mail.user, mail.to) == ("mailer", ["a@example.com", "b@example.com"])
    assert mail.parsed["Subject"] == "Order 42"
    assert mail.parsed["Importance"] == "high"
