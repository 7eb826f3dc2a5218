import java.io.File;
import java.io.IOException;
import org.codehaus.plexus.archiver.ArchiverException;
import org.codehaus.plexus.archiver.tar.TarUnArchiver;

/** Extracts with the TarUnArchiver of plexus-archiver, as Maven's plugins do. */
final class Plexus implements Protocol.Library {
    @Override
    public void extract(File archive, File dest) throws Exception {
        TarUnArchiver unarchiver = new TarUnArchiver(archive);
        unarchiver.setDestDirectory(dest);
        try {
            unarchiver.extract();
        } catch (ArchiverException error) {
            throw new IOException(String.valueOf(error.getMessage()), error);
        }
    }

    public static void main(String[] arguments) throws IOException {
        Protocol.serve(new Plexus());
    }
}
