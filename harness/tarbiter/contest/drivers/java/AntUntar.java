import java.io.File;
import java.io.IOException;
import org.apache.tools.ant.BuildException;
import org.apache.tools.ant.Project;
import org.apache.tools.ant.taskdefs.Untar;

/** Extracts with the task untar of Apache Ant. */
final class AntUntar implements Protocol.Library {
    @Override
    public void extract(File archive, File dest) throws Exception {
        Project project = new Project();
        project.init();
        Untar task = new Untar();
        task.setProject(project);
        task.setSrc(archive);
        task.setDest(dest);
        try {
            task.execute();
        } catch (BuildException error) {
            throw new IOException(String.valueOf(error.getMessage()), error);
        }
    }

    public static void main(String[] arguments) throws IOException {
        Protocol.serve(new AntUntar());
    }
}
