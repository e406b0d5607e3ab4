import io.camunda.zeebe.model.bpmn.Bpmn;
import io.camunda.zeebe.model.bpmn.BpmnModelInstance;
import io.camunda.zeebe.model.bpmn.validation.zeebe.ZeebeDesignTimeValidators;
import java.io.File;
import java.io.FileInputStream;
import java.util.TreeSet;

/** Prints for each file its name, a tab, and what the design-time validators of zeebe-bpmn-model say against it. */
public class Judge {
  public static void main(String[] files) throws Exception {
    for (String path : files) {
      File file = new File(path);
      StringBuilder line = new StringBuilder(file.getName().replace(".bpmn", "")).append('\t');
      try {
        BpmnModelInstance model = Bpmn.readModelFromStream(new FileInputStream(file));
        TreeSet<String> reasons = new TreeSet<>();
        for (var entry : model.validate(ZeebeDesignTimeValidators.VALIDATORS).getResults().entrySet())
          for (var result : entry.getValue())
            reasons.add(entry.getKey().getElementType().getTypeName() + ": " + result.getMessage());
        line.append(String.join(" | ", reasons));
      } catch (Exception error) {
        line.append("unreadable: ").append(String.valueOf(error.getMessage()).split("\n")[0]);
      }
      System.out.println(line);
    }
  }
}
