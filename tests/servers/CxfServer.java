import jakarta.jws.*;
import jakarta.jws.soap.SOAPBinding;
import jakarta.xml.bind.annotation.*;
import jakarta.xml.ws.*;
import java.math.BigDecimal;
import java.util.*;
import javax.security.auth.callback.*;
import org.apache.cxf.jaxws.JaxWsServerFactoryBean;
import org.apache.cxf.ws.addressing.WSAddressingFeature;
import org.apache.cxf.ws.security.wss4j.*;
import org.apache.wss4j.common.ext.WSPasswordCallback;

/** Services of many kinds on one port: document/literal wrapped in both versions, rpc/literal, MTOM, WS-Security. */
public class CxfServer {
  public enum Status { NEW, PAID }
  @XmlSeeAlso({Gift.class}) public static class Item { public String name; @XmlAttribute public int count; }
  public static class Gift extends Item { public String card; }
  public static class Order {
    public String id; public int qty; public BigDecimal price; public Status status;
    public List<String> tags = new ArrayList<>(); public List<Item> items = new ArrayList<>(); public Date when;
    @XmlElement(nillable = true) public String note;
  }
  @WebFault(name = "NoStock") public static class NoStock extends Exception {
    private final int left;
    public NoStock(String message, int left) { super(message); this.left = left; }
    public int getLeft() { return left; }
  }

  @WebService(targetNamespace = "http://test.example/orders", serviceName = "Orders", portName = "OrdersPort")
  public static class Orders {
    @WebMethod public String echo(@WebParam(name = "text") String text) { return "echo:" + text; }
    @WebMethod public Order place(@WebParam(name = "order") Order order) throws NoStock {
      if (order.qty > 100) throw new NoStock("only 100", 100);
      order.tags.add("placed");
      return order;
    }
    @WebMethod public byte[] blob(@WebParam(name = "data") byte[] data) { return data; }
    @WebMethod public String text(@WebParam(name = "size") int size) { return "x".repeat(size); }
  }

  @BindingType(jakarta.xml.ws.soap.SOAPBinding.SOAP12HTTP_BINDING)
  @WebService(targetNamespace = "http://test.example/orders", serviceName = "Orders12", portName = "Orders12Port")
  public static class Orders12 extends Orders { }

  @WebService(targetNamespace = "http://test.example/calc", serviceName = "Calc", portName = "CalcPort")
  @SOAPBinding(style = SOAPBinding.Style.RPC)
  public static class Calc {
    @WebMethod public int add(@WebParam(name = "a") int a, @WebParam(name = "b") int b) { return a + b; }
    @WebMethod public Order same(@WebParam(name = "order") Order order) { return order; }
  }

  /** What JAXB writes for a choice, a date and base64. */
  public static class Payment {
    @XmlElements({@XmlElement(name = "card", type = String.class), @XmlElement(name = "cents", type = Integer.class)})
    public Object how;
    @XmlSchemaType(name = "date") public javax.xml.datatype.XMLGregorianCalendar day;
    public byte[] proof;
  }

  @WebService(targetNamespace = "http://test.example/bare", serviceName = "Bare", portName = "BarePort")
  @SOAPBinding(parameterStyle = SOAPBinding.ParameterStyle.BARE)
  public static class Bare {
    @WebMethod @WebResult(name = "paid", targetNamespace = "http://test.example/bare")
    public Payment pay(@WebParam(name = "payment", targetNamespace = "http://test.example/bare") Payment payment) {
      if (payment.how instanceof Integer cents) payment.how = cents + 1;
      return payment;
    }
  }

  public static class Session { public String user; @XmlAttribute public int tenant; }

  @WebService(targetNamespace = "http://test.example/sessions", serviceName = "Sessions", portName = "SessionsPort")
  public static class Sessions {
    @WebMethod public String who(
        @WebParam(name = "session", header = true) Session session, @WebParam(name = "text") String text,
        @WebParam(name = "length", header = true, mode = WebParam.Mode.OUT) Holder<Integer> length) {
      length.value = text.length();
      return session == null ? "nobody" : session.user + " of " + session.tenant;
    }
  }

  @XmlType(name = "Good", namespace = "http://test.example/goods", propOrder = {"name", "price"})
  public static class Good {
    @XmlElement(namespace = "http://test.example/goods") public String name;
    @XmlElement(namespace = "http://test.example/goods") public BigDecimal price;
    @XmlAttribute(required = true) public int stock;
  }

  @WebService(targetNamespace = "http://test.example/catalog", serviceName = "Catalog", portName = "CatalogPort", name = "Catalog")
  public static class Catalog {
    @WebMethod(action = "urn:find")
    public List<Good> find(@WebParam(name = "word") String word, @WebParam(name = "like") Good like) {
      Good good = new Good();
      good.name = word + " like " + like.name; good.price = like.price.add(BigDecimal.ONE); good.stock = like.stock;
      return List.of(good, good);
    }
  }

  static String base;

  static void publish(Object service, String path, Map<String, Object> in, Map<String, Object> out, boolean mtom) {
    JaxWsServerFactoryBean factory = new JaxWsServerFactoryBean();
    factory.setServiceBean(service);
    factory.setAddress(base + path);
    if (mtom) factory.setProperties(new HashMap<>(Map.of("mtom-enabled", "true")));
    if (in != null) factory.getInInterceptors().add(new WSS4JInInterceptor(in));
    if (out != null) factory.getOutInterceptors().add(new WSS4JOutInterceptor(out));
    factory.create();
  }

  static Map<String, Object> map(Object... pairs) {
    Map<String, Object> made = new HashMap<>();
    for (int i = 0; i < pairs.length; i += 2) made.put((String) pairs[i], pairs[i + 1]);
    return made;
  }

  public static void main(String[] arguments) throws Exception {
    base = "http://127.0.0.1:" + arguments[0];
    CallbackHandler password = callbacks -> {
      for (Callback one : callbacks) ((WSPasswordCallback) one).setPassword("secret");
    };
    publish(new Orders(), "/orders", null, null, false);
    publish(new Orders12(), "/orders12", null, null, false);
    publish(new Calc(), "/calc", null, null, false);
    publish(new Bare(), "/bare", null, null, false);
    publish(new Sessions(), "/sessions", null, null, false);
    JaxWsServerFactoryBean addressed = new JaxWsServerFactoryBean();
    WSAddressingFeature addressing = new WSAddressingFeature();
    addressing.setAddressingRequired(true);
    addressed.setServiceBean(new Orders());
    addressed.setAddress(base + "/addressed");
    addressed.getFeatures().add(addressing);
    addressed.create();
    JaxWsServerFactoryBean contract = new JaxWsServerFactoryBean();  // its WSDL and schemas are files
    contract.setServiceBean(new Catalog());
    contract.setAddress(base + "/catalog");
    contract.setWsdlURL(arguments[1]);
    contract.create();
    publish(new Orders(), "/mtom", null, null, true);
    publish(new Orders(), "/untext", map("action", "UsernameToken", "passwordType", "PasswordText", "passwordCallbackRef", password), null, false);
    for (String type : new String[] {"PasswordText", "PasswordDigest"})
      publish(new Orders(), "/" + type.toLowerCase(), map("action", "UsernameToken Timestamp", "passwordType", type, "passwordCallbackRef", password), null, false);
    publish(new Orders(), "/signed", map("action", "Signature Timestamp", "signaturePropFile", "trust.properties"), null, false);
    publish(new Orders(), "/signing", map("action", "Signature Timestamp", "signaturePropFile", "trust.properties"),
        map("action", "Timestamp Signature", "user", "server", "signaturePropFile", "server.properties", "passwordCallbackRef", password,
            "signatureKeyIdentifier", "DirectReference",
            "signatureAlgorithm", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            "signatureDigestAlgorithm", "http://www.w3.org/2001/04/xmlenc#sha256",
            "signatureParts", "{}{http://schemas.xmlsoap.org/soap/envelope/}Body;{}{http://docs.oasis-open.org/wss/2004/01/"
                + "oasis-200401-wss-wssecurity-utility-1.0.xsd}Timestamp"), false);
    System.out.println("up");
    System.in.read();
    System.exit(0);
  }
}
