import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetTime;
import java.time.Period;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.camunda.feel.api.EvaluationResult;
import org.camunda.feel.api.FeelEngineApi;
import org.camunda.feel.api.FeelEngineBuilder;

/**
 * What Camunda's own FEEL engine answers: a JSON object a line goes in ("expr", "context" and, for unary tests, "input"),
 * one comes out ("value" or "error"). Values that JSON has not are tagged: {"@n": "1.50"}, {"@date": "2026-11-22"}.
 */
public final class Oracle {
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

  public static void main(String[] arguments) throws Exception {
    FeelEngineApi engine = FeelEngineBuilder.create().build();
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      ObjectNode answer = NODES.objectNode();
      try {
        JsonNode question = MAPPER.readTree(line);
        Map<String, Object> context = new LinkedHashMap<>();
        question.path("context").fields().forEachRemaining(entry -> context.put(entry.getKey(), read(entry.getValue())));
        String expression = question.get("expr").asText();
        EvaluationResult result =
            question.has("input")
                ? engine.evaluateUnaryTests(expression, read(question.get("input")), context)
                : engine.evaluateExpression(expression, scala.jdk.javaapi.CollectionConverters.asScala(context).toMap(scala.$less$colon$less$.MODULE$.refl()));
        if (result.isSuccess()) {
          answer.set("value", write(result.result()));
        } else {
          answer.put("error", result.failure().message());
        }
      } catch (Throwable failure) {
        answer.put("error", String.valueOf(failure));
      }
      out.println(MAPPER.writeValueAsString(answer));
      out.flush();
    }
  }

  private static Object read(JsonNode node) {
    if (node.isNull()) return null;
    if (node.isBoolean()) return node.asBoolean();
    if (node.isTextual()) return node.asText();
    if (node.isIntegralNumber()) return node.canConvertToLong() ? (Object) node.asLong() : new BigInteger(node.asText());
    if (node.isNumber()) return node.asDouble();
    if (node.isArray()) {
      List<Object> items = new ArrayList<>();
      node.forEach(item -> items.add(read(item)));
      return items;
    }
    if (node.has("@date")) return LocalDate.parse(node.get("@date").asText());
    if (node.has("@time")) return LocalTime.parse(node.get("@time").asText());
    if (node.has("@datetime")) return LocalDateTime.parse(node.get("@datetime").asText());
    if (node.has("@zoned")) return ZonedDateTime.parse(node.get("@zoned").asText());
    if (node.has("@months")) return Period.ofMonths(node.get("@months").asInt()).normalized();
    if (node.has("@nanos")) return Duration.ofNanos(node.get("@nanos").asLong());
    Map<String, Object> entries = new LinkedHashMap<>();
    node.fields().forEachRemaining(entry -> entries.put(entry.getKey(), read(entry.getValue())));
    return entries;
  }

  private static JsonNode tagged(String tag, String text) {
    return NODES.objectNode().put(tag, text);
  }

  private static JsonNode write(Object value) {
    if (value == null) return NODES.nullNode();
    if (value instanceof Boolean) return NODES.booleanNode((Boolean) value);
    if (value instanceof String) return NODES.textNode((String) value);
    if (value instanceof Number) return tagged("@n", value.toString());
    if (value instanceof scala.math.BigDecimal) return tagged("@n", value.toString());
    if (value instanceof LocalDate) return tagged("@date", value.toString());
    if (value instanceof LocalTime) return tagged("@time", ((LocalTime) value).format(DateTimeFormatter.ISO_LOCAL_TIME));
    if (value instanceof OffsetTime) return tagged("@time", ((OffsetTime) value).format(DateTimeFormatter.ISO_OFFSET_TIME));
    if (value instanceof LocalDateTime) return tagged("@datetime", date(((LocalDateTime) value).toLocalDate(), ((LocalDateTime) value).toLocalTime()));
    if (value instanceof ZonedDateTime) {
      ZonedDateTime moment = (ZonedDateTime) value;
      String zone = moment.getZone().equals(moment.getOffset()) ? "" : "[" + moment.getZone().getId() + "]";
      return tagged("@datetime", date(moment.toLocalDate(), moment.toLocalTime()) + moment.getOffset().getId() + zone);
    }
    if (value instanceof Period) return tagged("@months", String.valueOf(((Period) value).toTotalMonths()));
    if (value instanceof Duration) {
      Duration duration = (Duration) value;
      BigInteger nanos = BigInteger.valueOf(duration.getSeconds()).multiply(BigInteger.valueOf(1_000_000_000L));
      return tagged("@nanos", nanos.add(BigInteger.valueOf(duration.getNano())).toString());
    }
    if (value instanceof scala.collection.Map) {
      ObjectNode entries = NODES.objectNode();
      scala.jdk.javaapi.CollectionConverters.asJava((scala.collection.Map<?, ?>) value)
          .forEach((key, item) -> entries.set(String.valueOf(key), write(item)));
      return entries;
    }
    if (value instanceof scala.collection.Iterable) {
      ArrayNode items = NODES.arrayNode();
      scala.jdk.javaapi.CollectionConverters.asJava((scala.collection.Iterable<?>) value).forEach(item -> items.add(write(item)));
      return items;
    }
    if (value instanceof Map) {
      ObjectNode entries = NODES.objectNode();
      ((Map<?, ?>) value).forEach((key, item) -> entries.set(String.valueOf(key), write(item)));
      return entries;
    }
    if (value instanceof List) {
      ArrayNode items = NODES.arrayNode();
      ((List<?>) value).forEach(item -> items.add(write(item)));
      return items;
    }
    return tagged("@other", value.getClass().getSimpleName().replace("Val", ""));
  }

  private static String date(LocalDate date, LocalTime time) {
    String text = date.toString();
    return (text.startsWith("+") ? text.substring(1) : text) + "T" + time.format(DateTimeFormatter.ISO_LOCAL_TIME);
  }
}
