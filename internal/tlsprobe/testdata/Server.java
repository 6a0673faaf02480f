import java.io.FileInputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.security.KeyStore;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;

/**
 * HTTPS servers that accept whatever the JDK can do.
 * Arguments: a key store (PKCS #12, password "password"), then for each server
 * its protocols and either "all" or its cipher suites, separated by commas.
 * Prints the port of each server on a line of its own.
 */
public class Server {
    private static final ExecutorService workers = Executors.newFixedThreadPool(16);

    public static void main(String[] args) throws Exception {
        char[] password = "password".toCharArray();
        KeyStore keys = KeyStore.getInstance("PKCS12");
        try (InputStream in = new FileInputStream(args[0])) {
            keys.load(in, password);
        }
        KeyManagerFactory managers = KeyManagerFactory.getInstance("PKIX");
        managers.init(keys, password);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(managers.getKeyManagers(), null, null);
        for (int i = 1; i < args.length; i += 2) {
            SSLServerSocket listener = (SSLServerSocket) context.getServerSocketFactory()
                .createServerSocket(0, 100, InetAddress.getLoopbackAddress());
            listener.setEnabledProtocols(args[i].split(","));
            listener.setEnabledCipherSuites(
                args[i + 1].equals("all") ? listener.getSupportedCipherSuites() : args[i + 1].split(","));
            new Thread(() -> accept(listener)).start();
            System.out.println(listener.getLocalPort());
        }
        System.out.flush();
    }

    private static void accept(SSLServerSocket listener) {
        try {
            while (true) {
                SSLSocket peer = (SSLSocket) listener.accept();
                workers.submit(() -> answer(peer));
            }
        } catch (Exception e) {
            e.printStackTrace();
            System.exit(1);
        }
    }

    private static void answer(SSLSocket peer) {
        try (peer) {
            peer.setSoTimeout(10000);
            InputStream in = peer.getInputStream();
            int newlines = 0;
            for (int b = in.read(); b >= 0 && newlines < 2; b = newlines < 2 ? in.read() : b) {
                newlines = b == '\n' ? newlines + 1 : b == '\r' ? newlines : 0;
            }
            OutputStream out = peer.getOutputStream();
            out.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".getBytes());
            out.flush();
        } catch (Exception e) {
            // A refused handshake is what this server is asked for.
        }
    }
}
